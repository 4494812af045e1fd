r"""How well a model answers the agent's questions, on cases whose truth is known, beside what needs no model.

    make eval ENDPOINT=http://127.0.0.1:8000/v1 [MODEL=name] [SEEDS=8]
    .venv/bin/python -m bench.model_eval --endpoint http://127.0.0.1:8000/v1 --seeds 20

Any OpenAI-compatible endpoint. It is asked as the agent asks: same prompt, schema, repair and check. The cases are the
four scenes of examples/ with seeds that no example uses, and knowledge graphs with one relation held out. Beside the
model stand the detectors alone (all that has evidence is blamed; the first cause that stands; the commonest link) and
a guesser, who picks one of all claims that the schema allows. A perfect score is possible: an oracle has it. The last
line is one line of JSON with every figure.
"""

import argparse
import asyncio
import json
import platform
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.evaluation.asking import Answering, ask_all
from bench.evaluation.cases import Case, cases, with_patience
from bench.evaluation.players import Player, detectors, guesser
from bench.evaluation.score import Score, as_figures, scores
from edgeglm_agent.reason.client import Client
from edgeglm_agent.rehearse.graph_file import REHEARSAL
from edgeglm_api.bundle import Endpoint

FIRST_SEED = 1000
COUNTS = ("cases", "to_find")
SHARES = ("precision", "recall", "f1", "exact", "first", "among", "abstained", "invalid", "repaired")
SIZES = ("prompt_tokens", "completion_tokens")
SECONDS = ("seconds_p50", "seconds_p95")
COLUMNS = [
    (name, form) for names, form in ((COUNTS, "d"), (SHARES, ".2f"), (SIZES, ".0f"), (SECONDS, ".1f")) for name in names
]

Scored = Mapping[str, Mapping[str, Score]]
"""Who answered, to the task, to the score."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    options = _parser().parse_args(arguments)
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    asked = [with_patience(case, options.timeout) for case in cases(seeds)]
    endpoint = _endpoint(options)
    scored = asyncio.run(_play(asked, endpoint, options.at_once))
    for line in table(scored):
        print(line)
    figures = {who: as_figures(by_task) for who, by_task in scored.items()}
    print(json.dumps({"seeds": [seeds.start, seeds.stop], "machine": platform.machine(), "scores": figures}))
    return 0


def table(scored: Scored) -> Iterator[str]:
    """Yield the lines of a table in Markdown, task by task."""
    yield f"| task | who | {' | '.join(name.replace('_', ' ') for name, _ in COLUMNS)} |"
    yield f"|{'---|' * (len(COLUMNS) + 2)}"
    for task in next(iter(scored.values())):
        for who, by_task in scored.items():
            figures = " | ".join(format(getattr(by_task[task], name), form) for name, form in COLUMNS)
            yield f"| {task} | {who} | {figures} |"


async def _play(asked: Sequence[Case], endpoint: Endpoint | None, at_once: int) -> Scored:
    here = Endpoint(name=REHEARSAL, url="http://127.0.0.1:9/v1", model="player", place="Edge")
    scored = {
        who: await _scored(asked, Player(asked, play), here, at_once)
        for who, play in (("detectors alone", detectors), ("guesser", guesser(0)))
    }
    if endpoint is not None:
        client = Client()
        try:
            scored = {endpoint.model: await _scored(asked, client, endpoint, at_once)} | scored
        finally:
            await client.close()
    return scored


async def _scored(asked: Sequence[Case], who: Answering, endpoint: Endpoint, at_once: int) -> Mapping[str, Score]:
    return scores(asked, await ask_all(asked, who, endpoint, at_once=at_once))


def _endpoint(options: argparse.Namespace) -> Endpoint | None:
    if not options.endpoint:
        return None
    model = options.model or _first_model(options.endpoint, options.key_file)
    return Endpoint(name=REHEARSAL, url=options.endpoint, model=model, place="Edge", key_file=options.key_file)


def _first_model(endpoint: str, key_file: str | None) -> str:
    headers = {"Authorization": f"Bearer {Path(key_file).read_text('utf-8').strip()}"} if key_file else {}
    request = urllib.request.Request(f"{endpoint.rstrip('/')}/models", headers=headers)  # noqa: S310 - the user's URL
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - the same
        return str(json.load(response)["data"][0]["id"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--endpoint", default="", metavar="URL", help="with its version; without one, no model is asked"
    )
    parser.add_argument("--model", default="", help="its name there; default: the first that the endpoint lists")
    parser.add_argument("--key-file", metavar="FILE", help="holds the endpoint's API key")
    parser.add_argument("--seeds", type=int, default=8, metavar="N", help="20 cases each; default: 8")
    parser.add_argument("--at-once", type=int, default=4, metavar="N", help="questions at once; default: 4")
    parser.add_argument("--timeout", type=int, default=120, metavar="SECONDS", help="of one attempt; default: 120")
    return parser


if __name__ == "__main__":
    sys.exit(main())
