"""A client that sends all at once, and nothing a second time: no width, no retry. Takes a `Run`, prints its cost."""

import asyncio
import resource
import sys
from itertools import islice
from typing import Any

import aiohttp
import msgspec

from bench.asking.bodies import Scribe
from bench.asking.load import ATTEMPT_SECONDS, Run, questions


async def ask_at_once(run: Run) -> None:
    """Open as many requests as there are questions."""
    scribe = Scribe()
    bodies = [await scribe.body_of(each) for each in islice(questions(), run.outstanding)]
    await scribe.close()
    timeout = aiohttp.ClientTimeout(total=ATTEMPT_SECONDS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
        await asyncio.gather(*(_ask(http, f"{run.url}/chat/completions", body) for body in bodies))


async def _ask(http: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> None:
    try:
        async with http.post(url, json=body) as response:
            await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return


if __name__ == "__main__":
    asyncio.run(ask_at_once(msgspec.json.decode(sys.argv[1], type=Run)))
    used = resource.getrusage(resource.RUSAGE_SELF)
    sys.stdout.write(f"{used.ru_utime + used.ru_stime:.2f} {used.ru_maxrss / 1024:.0f}\n")
