"""From scenes and knowledge graphs to requests, by the path of production, each with what is true of it."""

import asyncio
import random
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Final

import msgspec

from bench.evaluation.knowledge import COMPLETION, knowledge_graph
from bench.evaluation.scenes import Scene, scenes
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.reason.request import Request
from edgeglm_agent.rehearse.graph_file import REHEARSAL, bundle_for, load_graph
from edgeglm_agent.rehearse.oracle import Nobody
from edgeglm_agent.rehearse.replay import Replay
from edgeglm_api.bundle import Bundle, Endpoint, Reasoning
from edgeglm_api.sensor_graph import Output
from examples.scenes.simulate import BEGIN_SECONDS, BROKER, entries

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
ENDPOINT: Final = Endpoint(name=REHEARSAL, url="http://127.0.0.1:9/v1", model="default", place="Edge")
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folder in it is made by tempfile
MOST_OF_A_SCENE: Final = 4
"""Windows of one fault are much alike; so many are drawn of each scene and seed."""

GRAPHS_OF_A_SEED: Final = 4

Claim = tuple[str, ...]
"""A node; a cause and its symptom; or the source, type and target of a relation."""


@dataclass(frozen=True, slots=True)
class Case:
    """A question whose answer is known."""

    request: Request
    truth: frozenset[Claim]

    @property
    def task(self) -> str:
        """What kind of question it is."""
        return self.request.question.task


def cases(seeds: Iterable[int]) -> list[Case]:
    """Return the cases of some seeds, in an order that is the same each time."""
    return [case for seed in seeds for case in (*_of_scenes(seed), *_of_knowledge(seed))]


def _of_scenes(seed: int) -> Iterator[Case]:
    for scene in scenes(seed):
        found = [Case(each, _truth(each, scene)) for each in requests_of(scene)]
        random.Random(f"{scene.graph}/{seed}").shuffle(found)  # noqa: S311 - no secrets
        yield from _half_and_half(found)[:MOST_OF_A_SCENE]


def _half_and_half(found: list[Case]) -> list[Case]:
    """Put those in which something is true and those in which nothing is by turns, as far as there are both."""
    kinds = ([case for case in found if case.truth], [case for case in found if not case.truth])
    return [case for pair in zip_longest(*kinds) for case in pair if case is not None]


def requests_of(scene: Scene) -> list[Request]:
    """Return what the agent would ask, window by window."""
    bundle = bundle_for(load_graph(EXAMPLES / scene.graph), broker=BROKER, endpoint=ENDPOINT)
    with tempfile.TemporaryDirectory(prefix="edgeglm-eval-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        return asyncio.run(_replayed(Path(folder), bundle, scene))


async def _replayed(folder: Path, bundle: Bundle, scene: Scene) -> list[Request]:
    replay = Replay(folder, bundle, Nobody(0.0), concurrency=1)
    try:
        by_second = groupby(entries(scene.said), key=lambda entry: entry.arrived_ns // NANOS_PER_SECOND)
        await replay.run((list(group) for _, group in by_second), lambda _moment: 0.0)
        return replay.requests
    finally:
        replay.close()


def _truth(request: Request, scene: Scene) -> frozenset[Claim]:
    """Return the faults of a request's window that show in it."""
    start, end = (moment / NANOS_PER_SECOND - BEGIN_SECONDS for moment in (request.start_ns, request.end_ns))
    seen = request.subject.anomalous
    return frozenset(
        fault.claim
        for fault in scene.faults
        if fault.since < end and fault.until > start and seen.issuperset(fault.claim)
    )


def _of_knowledge(seed: int) -> Iterator[Case]:
    for number in range(GRAPHS_OF_A_SEED):
        yield _of_graph(seed * GRAPHS_OF_A_SEED + number)


def _of_graph(number: int) -> Case:
    graph, missing = knowledge_graph(number)
    request = Request(
        id=f"knowledge-{number}",
        site=REHEARSAL,
        graph="knowledge",
        graph_uid="knowledge",
        partition=f"site-{number}",
        start_ns=BEGIN_SECONDS * NANOS_PER_SECOND,
        end_ns=(BEGIN_SECONDS + 10) * NANOS_PER_SECOND,
        expires_ns=1 << 62,
        signature="",
        subject=graph,
        question=COMPLETION,
        reasoning=Reasoning(
            route="EdgeOnly",
            endpoints=(REHEARSAL,),
            attempt_timeout_seconds=30,
            fresh_for_seconds=120,
            max_tokens=256,
        ),
        output=Output(topic="insights/{graph}/{partition}"),
        broker=BROKER,
    )
    return Case(request, frozenset({missing}))


def with_patience(case: Case, seconds: int) -> Case:
    """Return a case whose engine is given so long."""
    reasoning = msgspec.structs.replace(case.request.reasoning, attempt_timeout_seconds=seconds)
    return Case(msgspec.structs.replace(case.request, reasoning=reasoning), case.truth)
