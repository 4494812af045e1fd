"""Hostile text on the path of production, answered by an engine that obeys it."""

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pytest

from edgeglm_agent.health.json_log import JsonFormatter
from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.router import Router
from edgeglm_agent.rehearse.graph_file import REHEARSAL, bundle_for, load_graph
from edgeglm_agent.rehearse.oracle import Engine
from edgeglm_agent.rehearse.replay import Replay
from edgeglm_api.bundle import Bundle, Endpoint
from edgeglm_api.sensor_graph import Measurement
from tests.edge.stub_engine import Scripted, StubEngine
from tests.injection.attacker import OBEY, ObedientAttacker
from tests.injection.corpus import CORPUS
from tests.injection.feeds import BROKER, FEEDS, entries
from tests.injection.harmless import assert_harmless, assert_the_data_stays_data

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
GRAPHS: Final = {"line-1": "plant/40-sensor-graph.yaml"} | {
    name: f"scenes/{name}.yaml" for name in ("feeder", "cold-chain", "ward")
}
FORBIDDEN: Final = {
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "exec",
    "compile",
    "import",
}


class Outcome(NamedTuple):
    """What came of one feed."""

    requests: dict[str, Request]
    published: list[tuple[str, dict[str, Any]]]
    """Topic and answer."""
    fates: dict[str, int]
    log: list[str]


class Ear(logging.Handler):
    """Hears what the agent would write to its log."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear, logger = Ear(), logging.getLogger("edgeglm_agent")
    level = logger.level
    logger.addHandler(ear)
    logger.setLevel(logging.DEBUG)
    yield ear
    logger.removeHandler(ear)
    logger.setLevel(level)


@pytest.fixture
def engine() -> Iterator[StubEngine]:
    engine = StubEngine(ObedientAttacker())
    engine.start()
    yield engine
    engine.stop()


def bundle_of(name: str, engine: StubEngine) -> Bundle:
    endpoint = Endpoint(name=REHEARSAL, url=engine.url, model="stub", place="Edge")
    return bundle_for(load_graph(EXAMPLES / GRAPHS[name]), broker=BROKER, endpoint=endpoint)


def outcome_of(folder: Path, bundle: Bundle, feed: str, ear: Ear) -> Outcome:
    return asyncio.run(_outcome_of(folder, bundle, feed, ear))


async def _outcome_of(folder: Path, bundle: Bundle, feed: str, ear: Ear) -> Outcome:
    client = Client()
    router = Router(client)
    router.set_endpoints(bundle.endpoints, ceiling=4)
    replay = Replay(folder, bundle, Engine(router), concurrency=4)
    try:
        await replay.run(entries(feed), lambda _moment: 0.0)
        rows = replay.ledger.db.execute("SELECT topic, body FROM answer WHERE delivered = 0 ORDER BY seq").fetchall()
        fates = {entry: n for (_graph, _source, entry), n in replay.pipeline.fold.books.all().items()}
        return Outcome(
            requests={each.id: each for each in replay.requests},
            published=[(topic, json.loads(body)) for topic, body in rows],
            fates=fates,
            log=ear.lines,
        )
    finally:
        replay.close()
        await client.close()


def test_the_corpus_is_large_and_says_everything_once() -> None:
    assert len({each.text for each in CORPUS}) == len(CORPUS) >= 100
    assert {each.wants for each in CORPUS} == OBEY.keys()


@pytest.mark.parametrize("feed", FEEDS)
def test_what_is_published_stays_within_what_was_asked(feed: str, tmp_path: Path, engine: StubEngine, ear: Ear) -> None:
    outcome = outcome_of(tmp_path, bundle_of(feed, engine), feed, ear)
    attacker = engine.script
    assert isinstance(attacker, ObedientAttacker)
    assert len(attacker.obeyed) >= 10, attacker.obeyed
    assert len(outcome.published) >= 20
    for topic, answer in outcome.published:
        assert_harmless(answer, outcome.requests[answer["requestId"]])
        assert topic.split("/")[:2] == ["insights", feed]
        assert len(topic.split("/")) == 3
        assert not set(topic) & set("+#\0")
    for request in outcome.requests.values():
        assert_the_data_stays_data(request)
    for line in outcome.log:
        assert line.isprintable(), line


@pytest.fixture(scope="module")
def executed() -> list[str]:
    """What this process begins to execute from now on; an audit hook stays for good."""
    heard: list[str] = []
    sys.addaudithook(
        lambda event, arguments: heard.append(f"{event} {arguments!r:.200}") if event in FORBIDDEN else None
    )
    return heard


def test_nothing_is_executed(tmp_path: Path, engine: StubEngine, ear: Ear, executed: list[str]) -> None:
    outcome_of(tmp_path / "warm", bundle_of("ward", engine), "ward", ear)
    executed.clear()
    outcome_of(tmp_path / "run", bundle_of("ward", engine), "ward", ear)
    assert executed == []
    assert not Path("/tmp/edgeglm-injected").exists()
