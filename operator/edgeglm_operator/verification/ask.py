"""Ask engines many things at once, over HTTP."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from edgeglm_api import verification
from edgeglm_api.verification import TIMEOUT_SECONDS, Report
from edgeglm_operator.verification.judge import Ending, Outcome, first_words, tally

DEFAULT_CONCURRENCY: Final = 16
_CONNECT_SECONDS: Final = 10
_MAX_REPLY_BYTES: Final = 1024 * 1024
_FOR_NOW: Final = (429, 503)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What is asked of each replica."""

    model: str
    concurrency: int = DEFAULT_CONCURRENCY
    timeout_seconds: int = TIMEOUT_SECONDS
    api_key: str = ""


async def ask_all(urls: Sequence[str], inquiry: Inquiry) -> Report:
    """Ask all replicas at the same time, each as often as the inquiry says, all at once."""
    headers = {"Authorization": f"Bearer {inquiry.api_key}"} if inquiry.api_key else {}
    async with aiohttp.ClientSession(
        # Without a limit of its own: waiting here, requests would not be parallel.
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=inquiry.timeout_seconds, sock_connect=_CONNECT_SECONDS),
        headers=headers,
        trust_env=False,
    ) as http:
        found = await asyncio.gather(*(_ask_one(http, url, inquiry) for url in urls))
    return Report(
        concurrency=inquiry.concurrency,
        timeout_seconds=inquiry.timeout_seconds,
        replicas=tuple(tally(url, outcomes) for url, outcomes in zip(urls, found, strict=True)),
        said=first_words([outcome for outcomes in found for outcome in outcomes]),
    )


async def _ask_one(http: aiohttp.ClientSession, url: str, inquiry: Inquiry) -> list[Outcome]:
    bodies = (verification.inquiry(number) | {"model": inquiry.model} for number in range(inquiry.concurrency))
    return await asyncio.gather(*(_ask(http, url, body) for body in bodies))


async def _ask(http: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> Outcome:
    clock = asyncio.get_running_loop().time
    begun = clock()
    try:
        async with http.post(f"{url.rstrip('/')}/v1/chat/completions", json=body) as response:
            raw = await _read(response)
    except aiohttp.ConnectionTimeoutError as error:
        return Outcome(Ending.UNREACHABLE, said=str(error))
    except TimeoutError:
        return Outcome(Ending.LATE)
    except (aiohttp.ClientError, OSError) as error:
        return Outcome(Ending.UNREACHABLE, said=str(error) or type(error).__name__)
    return _outcome(response.status, raw, milliseconds=round((clock() - begun) * 1000))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, up to a bound: what lies beyond it is in no answer of a few words."""
    raw = b""
    while len(raw) <= _MAX_REPLY_BYTES and (more := await response.content.read(_MAX_REPLY_BYTES)):
        raw += more
    return raw


def _outcome(status: int, raw: bytes, *, milliseconds: int) -> Outcome:
    said = raw[:_MAX_REPLY_BYTES].decode("utf-8", "replace")
    if status in _FOR_NOW:
        return Outcome(Ending.BUSY, said=f"status {status}: {said}")
    if status != 200:
        return Outcome(Ending.FAILED, said=f"status {status}: {said}")
    try:
        completion = msgspec.json.decode(raw, type=_Completion)
    except msgspec.MsgspecError as error:
        return Outcome(Ending.FAILED, said=f"no completion: {error}")
    has_text = any(choice.message.text.strip() for choice in completion.choices)
    return Outcome(Ending.ANSWERED if has_text else Ending.EMPTY, milliseconds)


class _Message(msgspec.Struct):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None

    @property
    def text(self) -> str:
        """A model that thinks may spend all its tokens on that, and a parser puts it elsewhere."""
        return self.content or self.reasoning or self.reasoning_content or ""


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]
