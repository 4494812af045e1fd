"""Hostile text on the path of production, answered by an engine that obeys it."""

import asyncio
import itertools
import json
import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pytest

from edgeglm_agent.health.json_log import JsonFormatter
from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.gate import Gate
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.router import Router
from edgeglm_agent.reason.sends import FreeSends
from edgeglm_agent.rehearse.graph_file import REHEARSAL, bundle_for, load_graph
from edgeglm_agent.rehearse.oracle import Engine
from edgeglm_agent.rehearse.replay import Replay
from edgeglm_api.bundle import Bundle, Endpoint
from tests.edge.stub_engine import Scripted, StubEngine
from tests.injection.attacker import OBEY, ObedientAttacker, Possessed
from tests.injection.corpus import CORPUS
from tests.injection.feeds import BROKER, BY_AUTHOR, FEEDS, Said, by_author, entries, hostile_graph, notes, with_notes
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


def outcome_of(folder: Path, bundle: Bundle, said: Iterable[Said], ear: Ear) -> Outcome:
    return asyncio.run(_outcome_of(folder, bundle, said, ear))


async def _outcome_of(folder: Path, bundle: Bundle, said: Iterable[Said], ear: Ear) -> Outcome:
    client = Client()
    router = Router(client, Gate(b"key"), FreeSends())
    router.set_endpoints(bundle.endpoints, ceiling=4)
    replay = Replay(folder, bundle, Engine(router), concurrency=4)
    try:
        await replay.run(entries(said), lambda _moment: 0.0)
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
    outcome = outcome_of(tmp_path, bundle_of(feed, engine), FEEDS[feed](), ear)
    assert_all_is_harmless(outcome, feed)
    attacker = engine.script
    assert isinstance(attacker, ObedientAttacker)
    assert len(attacker.obeyed) >= 10, attacker.obeyed
    assert len(outcome.published) >= 20


def assert_all_is_harmless(outcome: Outcome, graph: str) -> None:
    for topic, answer in outcome.published:
        assert_harmless(answer, outcome.requests.get(answer["requestId"]))
        assert topic.split("/")[:2] == ["insights", graph]
        assert len(topic.split("/")) == 3
        assert not set(topic) & set("+#\0")
    for request in outcome.requests.values():
        assert_the_data_stays_data(request)
    for line in outcome.log:
        assert line.isprintable(), line


def test_units_and_labels_are_text_as_any(tmp_path: Path, engine: StubEngine, ear: Ear) -> None:
    """Who writes a graph is trusted with its rules, and yet a unit is no place for a turn of the conversation."""
    bundle = bundle_of("line-1", engine)
    hostile = msgspec.structs.replace(bundle, graphs=tuple(map(hostile_graph, bundle.graphs)))
    outcome = outcome_of(tmp_path, hostile, by_author(), ear)
    assert_all_is_harmless(outcome, "line-1")
    told = {node.label for request in outcome.requests.values() for node in request.subject.nodes}
    assert told >= {each.text for each in BY_AUTHOR}


def test_text_that_a_source_opts_in_to_is_data_as_any(tmp_path: Path, engine: StubEngine, ear: Ear) -> None:
    bundle = bundle_of("line-1", engine)
    noted = msgspec.structs.replace(bundle, graphs=tuple(map(with_notes, bundle.graphs)))
    outcome = outcome_of(tmp_path, noted, notes(), ear)
    assert_all_is_harmless(outcome, "line-1")
    attacker = engine.script
    assert isinstance(attacker, ObedientAttacker)
    assert len(attacker.obeyed) >= 10, attacker.obeyed
    shown = {
        each.word
        for request in outcome.requests.values()
        for node in request.subject.nodes
        for remark in node.remarks
        for each in remark.last
    }
    assert len(shown) >= 100
    assert max(map(len, shown)) == 500, "the longest are cut"


@pytest.mark.parametrize("feed", FEEDS)
def test_what_a_model_says_by_itself_is_text_as_any(feed: str, tmp_path: Path, engine: StubEngine, ear: Ear) -> None:
    """It need not have read it anywhere: each string stands in for the names, the evidence and the words of a claim."""
    engine.script = Possessed(times=100)
    outcome = outcome_of(tmp_path, bundle_of(feed, engine), FEEDS[feed](), ear)
    assert_all_is_harmless(outcome, feed)
    unknown = {each for _, answer in outcome.published for each in answer.get("validation", {}).get("unknownIds", [])}
    assert len(unknown) >= 20
    assert max(len(json.dumps(body)) for body in engine.asked) < 100_000


def test_what_an_engine_says_of_its_troubles_is_text_as_any(tmp_path: Path, engine: StubEngine, ear: Ear) -> None:
    troubles = itertools.cycle(each.text for each in CORPUS)
    engine.script = lambda _body: Scripted(next(troubles), status=422)
    outcome = outcome_of(tmp_path, bundle_of("line-1", engine), FEEDS["line-1"](), ear)
    assert_all_is_harmless(outcome, "line-1")
    assert {answer["status"] for _topic, answer in outcome.published} == {"Invalid"}


@pytest.fixture(scope="module")
def executed() -> list[str]:
    """What this process begins to execute from now on; an audit hook stays for good."""
    heard: list[str] = []
    sys.addaudithook(
        lambda event, arguments: heard.append(f"{event} {arguments!r:.200}") if event in FORBIDDEN else None
    )
    return heard


def test_nothing_is_executed(tmp_path: Path, engine: StubEngine, ear: Ear, executed: list[str]) -> None:
    outcome_of(tmp_path / "warm", bundle_of("ward", engine), FEEDS["ward"](), ear)
    executed.clear()
    outcome_of(tmp_path / "run", bundle_of("ward", engine), FEEDS["ward"](), ear)
    assert executed == []
    assert not Path("/tmp/edgeglm-injected").exists()
