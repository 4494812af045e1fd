"""What may leave the site: by which rule, in which disguise, and how what comes back is read."""

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from edgeglm_agent.config.rules import problems_of
from edgeglm_agent.graph.evidence import Among, Evidence
from edgeglm_agent.graph.model import Edge, EntityGraph, Measured, Node, Occurred, Stated
from edgeglm_agent.graph.state import Said
from edgeglm_agent.reason.asker import ask
from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.disguise import disguised
from edgeglm_agent.reason.docket import Docket
from edgeglm_agent.reason.gate import Gate, disclosure_of, routes_of
from edgeglm_agent.reason.request import Disclosure, Request
from edgeglm_agent.reason.router import NobodyAnswers, Router
from edgeglm_agent.reason.sends import FreeSends
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.pseudonym_key import pseudonym_key
from edgeglm_agent.spool.requests import insert_requests
from edgeglm_api.bundle import Bundle, Endpoint, Graph
from edgeglm_api.sensor_graph import DataPolicy, EntityRef, Measurement, Question, Route, ToCloud, Topology
from edgeglm_api.sensor_graph import TopologyNode as Known
from tests.edge.bundles import a_bundle, a_graph, a_source
from tests.edge.stub_engine import Scripted, StubEngine

from .observations import SECOND, a_machine_graph
from .test_asker import a_request, patient, says

KEY: Final = b"k" * 32
WINDOW: Final = [(100 * SECOND, 110 * SECOND)]


def of(policy: ToCloud | None, *, route: Route = "PreferEdge", **changes: Any) -> Graph:
    given = None if policy is None else DataPolicy(cloud=policy)
    reasoning = msgspec.structs.replace(
        a_graph().reasoning, route=route, endpoints=("engine", "spare"), data_policy=given
    )
    return a_graph(reasoning=reasoning, **changes)


def both(graph: Graph) -> Bundle:
    """A site with an engine of its own and one in the cloud."""
    there = Endpoint(name="spare", url="https://llm.example/v1", model="big", place="Cloud")
    return a_bundle(graph, endpoints=(*a_bundle().endpoints, there))


def asking(policy: ToCloud | None, **changes: Any) -> Request:
    """A question about m1, made under a policy; None for one of a time before there were any."""
    disclosure = None if policy is None else Disclosure(policy)
    request = patient(a_request("m1", endpoints=("engine", "spare")))
    request = msgspec.structs.replace(request, disclosure=disclosure)
    return msgspec.structs.replace(request, **changes)


def a_router(client: Client, edge: StubEngine | None, cloud: StubEngine, *, gate: Gate | None = None) -> Router:
    router = Router(client, gate or Gate(KEY), FreeSends())
    here = [] if edge is None else [Endpoint(name="engine", url=edge.url, model="tiny", place="Edge")]
    there = Endpoint(name="spare", url=cloud.url, model="big", place="Cloud")
    router.set_endpoints([*here, there], ceiling=2)
    return router


# Which rule holds.


async def test_the_cloud_is_passed_over_while_the_site_s_engine_is_ill(
    edge: StubEngine, cloud: StubEngine, client: Client
) -> None:
    edge.script = lambda _body: Scripted("ill", status=500)
    router = a_router(client, edge, cloud)
    for _ in range(2):
        with pytest.raises(NobodyAnswers):
            await ask(asking("Never"), WINDOW, router)
    assert cloud.heard == []
    assert (router.loads()["spare"].withheld, router.loads()["engine"].withheld) == (2, 0)


@pytest.mark.parametrize(
    ("then", "now", "sent"),
    [
        ("Allowed", "Allowed", "plain"),
        ("Allowed", None, "plain"),
        (None, "Allowed", "plain"),
        ("Allowed", "Pseudonymised", "disguised"),
        ("Pseudonymised", "Allowed", "disguised"),
        ("Never", "Allowed", "nothing"),
        ("Allowed", "Never", "nothing"),
        (None, None, "nothing"),
    ],
)
async def test_the_stricter_holds_of_what_was_allowed_then_and_what_is_now(
    cloud: StubEngine, client: Client, then: ToCloud | None, now: ToCloud | None, sent: str
) -> None:
    """A question that waits keeps its promise, and a graph that is gone has none but that."""
    gate = Gate(KEY)
    if now is not None:
        gate.apply(both(of(now, uid="g")))
    router = a_router(client, None, cloud, gate=gate)
    if sent == "nothing":
        with pytest.raises(NobodyAnswers):
            await ask(asking(then), WINDOW, router)
        assert cloud.heard == []
        return
    answer = await ask(asking(then), WINDOW, router)
    assert (b"m1 rms" in cloud.heard[0]) is (sent == "plain")
    assert router.loads()["spare"].disguised == (sent == "disguised")
    assert [finding.node_ids for finding in answer.findings] == [("m1",)]


def test_a_graph_whose_data_stays_has_no_place_in_the_cloud_to_wait_for() -> None:
    assert routes_of(both(of("Never"))) == {a_graph().uid: ("engine",)}
    assert routes_of(both(of(None))) == {a_graph().uid: ("engine", "spare")}
    word = Measurement(property="mode", path="$.mode", type="Enum")
    words = a_source(name="mode", kind="State", topic="plant/{line}/{machine}/mode", measurements=(word,))
    assert routes_of(both(of(None, sources=(a_source(), words)))) == {a_graph().uid: ("engine",)}


@pytest.mark.parametrize(
    ("policy", "route", "question", "told"),
    [
        ("Never", "CloudOnly", Question(), "route is CloudOnly"),
        ("Never", "PreferCloud", Question(), "route is PreferCloud"),
        ("Never", "Escalate", Question(), "route is Escalate"),
        ("Never", "PreferEdge", Question(), ""),
        ("Pseudonymised", "PreferEdge", Question(task="Custom", instructions="Who?"), "by which task Custom asks"),
        ("Pseudonymised", "EdgeOnly", Question(task="Custom", instructions="Who?"), ""),
        (None, "CloudOnly", Question(), ""),
    ],
)
def test_what_contradicts_itself_is_refused(
    policy: ToCloud | None, route: Route, question: Question, told: str
) -> None:
    problems = [str(problem) for problem in problems_of(both(of(policy, route=route, question=question)))]
    assert [told in problem and "reasoning.dataPolicy" in problem for problem in problems] == ([True] if told else [])


@pytest.mark.parametrize(
    ("route", "policy", "reason"),
    [("PreferEdge", "Never", "lets nothing leave the site"), ("EdgeOnly", "Never", ""), ("PreferEdge", "Allowed", "")],
)
def test_a_window_that_nobody_at_the_site_answered_says_why_it_expired(
    tmp_path: Path, route: Route, policy: ToCloud, reason: str
) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    request = asking(policy)
    request = msgspec.structs.replace(request, reasoning=msgspec.structs.replace(request.reasoning, route=route))
    with ledger.transaction() as db:
        insert_requests(db, [request])
    _, expired = Docket(ledger, lambda: 300 * SECOND).claim(1)
    (body,) = ledger.db.execute("SELECT body FROM answer").fetchone()
    ledger.close()
    answer = json.loads(body)
    assert (expired, answer["status"]) == (1, "Expired")
    assert reason in answer.get("reason", "")
    assert bool(answer.get("reason")) is bool(reason)


# The disguise.


def test_every_field_of_a_graph_is_decided_on() -> None:
    """One that is added here has to be decided on in `disguise`: may it leave, under a pseudonym, or not at all?"""
    assert {kind.__name__: kind.__struct_fields__ for kind in (EntityGraph, Node, Stated, Occurred, Edge, Said)} == {
        "EntityGraph": ("nodes", "edges", "evidence", "truncated"),
        "Node": ("id", "type", "label", "measured", "states", "events", "remarks"),
        "Stated": ("property", "word", "since_ns", "before", "changes"),
        "Occurred": ("property", "n", "last"),
        "Edge": ("id", "source", "target", "type", "since_ns", "until_ns"),
        "Said": ("at_ns", "word"),
    }
    assert Measured.__struct_fields__ == (
        *("property", "unit", "n", "mean", "min", "max", "last", "slope", "z", "trend"),
    )
    assert Evidence.__struct_fields__ == (
        *("id", "kind", "node", "property", "unit", "value", "bound", "limit", "ahead_seconds", "margin"),
        *("onset_ns", "z", "before", "after", "changes", "among"),
    )
    assert Among.__struct_fields__ == ("names", "heard", "related")
    assert Question.__struct_fields__ == ("task", "when", "instructions", "labels", "relation_types")


def test_a_pseudonym_is_the_same_in_each_window_and_another_in_each_graph_and_at_each_site() -> None:
    one, other = asking("Pseudonymised"), asking("Pseudonymised", start_ns=0, subject=a_machine_graph("m1", machines=5))
    names = disguised(one, KEY).names
    assert names.items() <= disguised(other, KEY).names.items()
    assert not names.keys() & disguised(msgspec.structs.replace(one, graph_uid="other"), KEY).names.keys()
    assert not names.keys() & disguised(one, b"another").names.keys()
    assert set(names.values()) == {"m1", "m2", "m3", "line", "l1"}


def a_wordy_graph() -> EntityGraph:
    changed = (Said(105 * SECOND, "Mrs Smith fell"),)
    mode = Stated(property="mode", word="Mrs Smith fell", since_ns=105 * SECOND, before="OPEN", changes=changed)
    call = Occurred("call", 3, (Said(101 * SECOND, "help for Bob"), Said(102 * SECOND, "OPEN")))
    item = Evidence(
        id="e1",
        kind="StateChange",
        node="m1",
        property="mode",
        unit="",
        before="OPEN",
        after="Mrs Smith fell",
        changes=1,
    )
    note = Occurred("note", 1, (Said(103 * SECOND, "Smith greased it"),))
    node = Node(id="m1", type="Machine", label="Bob's machine", states=(mode,), events=(call,), remarks=(note,))
    return EntityGraph(nodes=(node,), edges=(), evidence=(item,))


def test_words_that_no_rule_lists_and_free_text_stay() -> None:
    measurement = Measurement(property="mode", path="$.mode", type="Enum", map={"0": "OPEN", "1": "SHUT"})
    source = a_source(
        name="mode",
        kind="State",
        measurements=(measurement,),
        entity=EntityRef(type="Machine", id="{machine}", aliases={"tag-7": "m7"}),
    )
    labels = ("calm", "m1 fails", "as with P-9", "like tag-7")
    question = Question(task="Classification", labels=labels, instructions="Bob knows.")
    topology = Topology(nodes=(Known(id="p-9", type="Pump"),))
    graph = of("Pseudonymised", sources=(source,), question=question, topology=topology)
    disclosure = disclosure_of(graph, a_wordy_graph())
    assert disclosure == Disclosure("Pseudonymised", ("OPEN", "calm"))

    view = disguised(asking("Pseudonymised", subject=a_wordy_graph(), question=question, disclosure=disclosure), KEY)
    seen = msgspec.json.encode(view.request).decode()
    for secret in ("Smith", "Bob", "m1", "l1", "line-1", "edge-1", "tag-7", "P-9", "mqtt", "SHUT"):
        assert secret not in seen, secret
    assert seen.count('"OPEN"') == 3
    assert view.request.question.labels[0] == "calm"
    assert view.names[view.request.subject.nodes[0].states[0].word] == "Mrs Smith fell"


# What comes back.


async def test_a_repair_in_the_cloud_speaks_of_pseudonyms_only(cloud: StubEngine, client: Client) -> None:
    """What the check has to say stands in the names of who was asked, and is looked at in those of the site."""

    def wrong_then_right(body: dict[str, Any]) -> Scripted:
        named = body["response_format"]["json_schema"]["schema"]["properties"]["findings"]["items"]["properties"][
            "node"
        ]
        (node,) = named["enum"]
        if len(cloud.asked) == 1:
            return says("anomaly", {"node": "n-aaaaaaaaaa", "evidence": ["e1"], "confidence": "Low", "comment": ""})
        return says(
            "anomaly", {"node": node, "evidence": ["e1"], "confidence": "Low", "comment": f"{node} of n-bbbbbbbbbb"}
        )

    cloud.script = wrong_then_right
    answer = await ask(asking("Pseudonymised"), WINDOW, a_router(client, None, cloud))
    first, second = cloud.heard
    assert b"n-aaaaaaaaaa is not in the graph" in second
    assert b"m1" not in first + second
    assert answer.status == "Ok"
    assert [(each.key, each.comment) for each in answer.findings] == [("Anomaly/m1/rms", "m1 of n-bbbbbbbbbb")]


async def test_what_the_site_s_engine_said_is_not_told_to_the_cloud(
    edge: StubEngine, cloud: StubEngine, client: Client
) -> None:
    """The first answer, with the site's names in it, breaks a rule; then the engine is full, and the cloud is asked."""
    left = iter([says("normal"), Scripted("full", status=503)])
    edge.script = lambda _body: next(left)
    answer = await ask(asking("Pseudonymised"), WINDOW, a_router(client, edge, cloud))
    (body,) = cloud.asked
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert b"m1" not in cloud.heard[0]
    assert answer.model is not None
    assert (answer.status, answer.model.route, answer.model.attempts) == ("Ok", "Cloud", 2)


# The key.


def test_the_key_outlives_a_restart_and_is_nobody_else_s_to_read(tmp_path: Path) -> None:
    key = pseudonym_key(tmp_path)
    assert pseudonym_key(tmp_path) == key
    assert len(key) == 32
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_key_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    key = pseudonym_key(tmp_path)
    (tmp_path / "pseudonym-key").write_bytes(key[:7])
    anew = pseudonym_key(tmp_path)
    assert anew != key
    assert pseudonym_key(tmp_path) == anew


def test_a_site_that_cannot_keep_a_key_has_one_until_it_is_started_again(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    one, other = pseudonym_key(nowhere), pseudonym_key(nowhere)
    assert len(one) == len(other) == 32
    assert one != other
