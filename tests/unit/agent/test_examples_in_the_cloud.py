"""The four examples, each asked of an engine in the cloud: what is in the bytes that it gets, and what comes back."""

import asyncio
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.disguise import words_of
from edgeglm_agent.reason.docket import Claim
from edgeglm_agent.reason.gate import Gate
from edgeglm_agent.reason.router import Router
from edgeglm_agent.reason.sends import FreeSends
from edgeglm_agent.rehearse.graph_file import bundle_for, load_graph
from edgeglm_agent.rehearse.oracle import Engine, Said
from edgeglm_agent.rehearse.recording import Recording
from edgeglm_agent.rehearse.replay import Replay
from edgeglm_agent.spool.entry import Message
from edgeglm_agent.spool.raw_log import RawLog
from edgeglm_api.bundle import Bundle, Endpoint
from edgeglm_api.sensor_graph import DataPolicy, ToCloud
from tests.edge.stub_engine import Scripted, StubEngine

from .observations import SECOND
from .test_scenes import NAMES, SCENES

PLANT: Final = SCENES.parent / "plant"
GRAPHS: Final = {"plant": PLANT / "40-sensor-graph.yaml", **{name: SCENES / f"{name}.yaml" for name in NAMES}}
PLANT_SECONDS: Final = 60
OTHERWISE_THERE: Final = {"none", "in"}
"""Words that a prompt has anyhow."""


@pytest.fixture(params=GRAPHS)
def example(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def recording(example: str, tmp_path: Path) -> Recording:
    out = tmp_path / "rec"
    if example == "plant":
        record_plant(out)
    else:
        subprocess.run([sys.executable, SCENES / "simulate.py", example, "--out", out], check=True, capture_output=True)
    return Recording(out)


def record_plant(out: Path) -> None:
    """What examples/plant/simulate.py sends, recorded without a broker."""
    namespace: dict[str, Any] = {"__name__": "simulate"}
    exec(compile((PLANT / "simulate.py").read_text(), "simulate.py", "exec"), namespace)  # noqa: S102 - ours
    dice, log = random.Random(7), RawLog(out)  # noqa: S311 - noise
    for second in range(PLANT_SECONDS):
        for topic, values in namespace["readings"](dice, at=1_800_000_000.0 + second, since_bad=second - 20):
            payload = msgspec.json.encode(values)
            log.append([Message(round(values["ts"] * SECOND), "mqtt://b", 1, 0, False, topic, payload, len(payload))])
    log.close()


@pytest.fixture
def cloud() -> Iterator[StubEngine]:
    engine = StubEngine(by_the_evidence)
    engine.start()
    yield engine
    engine.stop()


def by_the_evidence(body: dict[str, Any]) -> Scripted:
    """A model that goes by what evidence says, and not by what anything is called."""
    evidence = re.findall(r"^(e\d+): (\S+) (.*)$", body["messages"][1]["content"], re.MULTILINE)
    claim = root_cause(evidence) if "causes" in body["messages"][0]["content"] else anomaly(evidence)
    if claim is None:
        return Scripted(json.dumps({"assessment": "unsure", "findings": []}))
    found = "found" if "cause" in claim else "anomaly"
    return Scripted(json.dumps({"assessment": found, "findings": [{**claim, "confidence": "High"}]}))


def anomaly(evidence: list[tuple[str, str, str]]) -> dict[str, Any]:
    first, node, _ = evidence[0]
    return {"node": node, "evidence": [first], "comment": f"look at {node}"}


def root_cause(evidence: list[tuple[str, str, str]]) -> dict[str, Any] | None:
    """A breaker that opened is why a feeder has no voltage."""
    opened = next(((each, node) for each, node, says in evidence if "changed from CLOSED to OPEN" in says), None)
    dark = next(((each, node) for each, node, says in evidence if says.startswith("voltage")), None)
    if opened is None or dark is None:
        return None
    (first, cause), (second, symptom) = opened, dark
    return {"cause": cause, "symptom": symptom, "evidence": [first, second], "comment": f"{cause} tripped"}


class Steady(Engine):
    """Takes a second of the recording, however long it takes: what merges with what must not hang on the machine."""

    async def answer(self, claim: Claim) -> Said:
        return Said((await super().answer(claim)).answer, 1.0)


def asked_of_the_cloud(bundle: Bundle, recording: Recording, folder: Path) -> tuple[Replay, list[dict[str, Any]]]:
    """Replay it; return the replay, closed, and its answers in order."""

    async def run() -> Replay:
        client, gate = Client(), Gate(b"k" * 32)
        gate.apply(bundle)
        router = Router(client, gate, FreeSends())
        router.set_endpoints(bundle.endpoints, ceiling=2)
        replay = Replay(folder, bundle, Steady(router), concurrency=2)
        await replay.run(recording.seconds(), lambda _moment: 0.0)
        await client.close()
        return replay

    replay = asyncio.run(run())
    rows = replay.ledger.db.execute("SELECT body FROM answer ORDER BY seq").fetchall()
    replay.close()
    return replay, [json.loads(body) for (body,) in rows]


def under(policy: ToCloud | None, example: str, cloud: StubEngine) -> Bundle:
    endpoint = Endpoint(name="cloud", url=cloud.url, model="big", place="Cloud")
    bundle = bundle_for(load_graph(GRAPHS[example]), broker="mqtt://b", endpoint=endpoint)
    (graph,) = bundle.graphs
    reasoning = msgspec.structs.replace(
        graph.reasoning, route="PreferCloud", data_policy=None if policy is None else DataPolicy(cloud=policy)
    )
    return msgspec.structs.replace(bundle, graphs=(msgspec.structs.replace(graph, reasoning=reasoning),))


def names_and_texts(replay: Replay, recording: Recording, bundle: Bundle) -> set[str]:
    """All that must not leave: ids, topics and what is captured of them, unlisted words, labels, instructions."""
    (graph,) = bundle.graphs
    subjects = [request.subject for request in replay.requests]
    listed = {word for source in graph.sources for each in source.measurements for word in each.map.values()}
    topics = {entry.topic for entry in recording.entries() if isinstance(entry, Message)}
    written = {level for source in graph.sources for level in source.topic.split("/")}
    return {
        *(node.id for subject in subjects for node in subject.nodes),
        *(node.label for node in graph.topology.nodes if node.label),
        *topics,
        *(level for topic in topics for level in topic.split("/") if level not in written),
        *(word for subject in subjects for word in words_of(subject) - listed if word),
        *(sentence for sentence in graph.question.instructions.split(". ") if sentence),
        graph.output.topic,
    } - OTHERWISE_THERE


def findings(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [finding for answer in answers for finding in answer.get("findings", [])]


def test_under_pseudonyms_no_name_leaves_and_the_answers_are_those_of_all_names(
    example: str, recording: Recording, cloud: StubEngine, tmp_path: Path
) -> None:
    _, plain = asked_of_the_cloud(under("Allowed", example, cloud), recording, tmp_path / "plain")
    by_name = len(cloud.heard)
    bundle = under("Pseudonymised", example, cloud)
    replay, answers = asked_of_the_cloud(bundle, recording, tmp_path / "masked")
    secrets = names_and_texts(replay, recording, bundle)
    leaked = {secret for raw in cloud.heard[by_name:] for secret in secrets if secret in in_all_spellings(raw)}

    assert len(cloud.heard) == 2 * by_name > 0
    assert len(secrets) > 10
    assert leaked == set()
    assert {secret for raw in cloud.heard[:by_name] for secret in secrets if secret in in_all_spellings(raw)}
    assert findings(answers) == findings(plain) != []
    assert [answer["status"] for answer in answers] == [answer["status"] for answer in plain]


def in_all_spellings(raw: bytes) -> str:
    """The bytes as they came, and with what JSON escapes written out."""
    _, body = raw.split(b"\n\n", 1)
    return raw.decode() + json.dumps(json.loads(body), ensure_ascii=False)


@pytest.mark.parametrize("policy", ["Never", None])
def test_where_nothing_may_leave_nothing_is_sent_and_windows_expire_with_the_reason(
    example: str, recording: Recording, cloud: StubEngine, tmp_path: Path, policy: ToCloud | None
) -> None:
    """The same where the user says nothing, but for the plant: its sources are of numbers only."""
    _, answers = asked_of_the_cloud(under(policy, example, cloud), recording, tmp_path / "run")
    if example == "plant" and policy is None:
        assert cloud.heard
        return
    assert cloud.heard == []
    assert {answer["status"] for answer in answers} == {"Expired"}
    assert all("lets nothing leave the site (cloud: Never)" in answer["reason"] for answer in answers)
