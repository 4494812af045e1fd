"""Escalate: when the cloud is asked after the site's engine, and whose answer is kept."""

import json
from pathlib import Path

import msgspec
import pytest

from edgeglm_agent.reason.by_route import ask_by_route
from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.docket import Docket
from edgeglm_agent.reason.gate import Gate
from edgeglm_agent.reason.request import Disclosure, Request
from edgeglm_agent.reason.router import NobodyAnswers, Router
from edgeglm_agent.reason.sends import FreeSends
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.requests import insert_requests
from edgeglm_api.answer import Answer
from edgeglm_api.bundle import Endpoint
from edgeglm_api.sensor_graph import Question, Route, ToCloud
from tests.edge.stub_engine import Scripted, StubEngine, obedient

from .observations import SECOND
from .test_asker import GOOD, a_request, patient, says

WINDOW = [(100 * SECOND, 110 * SECOND)]
CUSTOM = Question(task="Custom", instructions="Who is ill?")


def asking(
    *anomalous: str, policy: ToCloud = "Allowed", route: Route = "Escalate", question: Question | None = None
) -> Request:
    request = patient(a_request(*(anomalous or ("m1",)), endpoints=("engine", "spare")))
    reasoning = msgspec.structs.replace(request.reasoning, route=route)
    return msgspec.structs.replace(
        request, reasoning=reasoning, disclosure=Disclosure(policy), question=question or request.question
    )


def a_router(client: Client, edge: StubEngine, cloud: StubEngine) -> Router:
    router = Router(client, Gate(b"key"), FreeSends())
    router.set_endpoints(
        [
            Endpoint(name="engine", url=edge.url, model="tiny", place="Edge"),
            Endpoint(name="spare", url=cloud.url, model="big", place="Cloud"),
        ],
        ceiling=2,
    )
    return router


def found(*nodes: str) -> Scripted:
    """An anomaly of each, by the evidence that is about it."""
    return says("anomaly", *(GOOD | {"node": node, "evidence": [f"e{at}"]} for at, node in enumerate(nodes, start=1)))


async def answered(client: Client, edge: StubEngine, cloud: StubEngine, request: Request) -> Answer:
    return await ask_by_route(request, WINDOW, a_router(client, edge, cloud))


@pytest.mark.parametrize(
    ("request_", "said", "why"),
    [
        (asking(), found("m1"), None),
        (asking(), says("unsure"), "Unsure"),
        (asking(), Scripted("so to say"), "Invalid"),
        (asking(), says("normal"), "Invalid"),
        (asking("m1", "m2"), found("m1"), "Disagrees"),
        (asking("m1", "m2"), found("m1", "m2"), None),
        (asking(question=CUSTOM), says("normal"), "Disagrees"),
        (asking(route="PreferEdge"), says("unsure"), None),
        (asking(route="EdgeOnly"), says("unsure"), None),
    ],
)
async def test_the_cloud_is_asked_where_the_answer_of_the_site_will_not_do(
    client: Client, edge: StubEngine, cloud: StubEngine, request_: Request, said: Scripted, why: str | None
) -> None:
    """At odds with the detectors is who does not speak of a limit that was passed, or calls evidence normal."""
    edge.script = lambda _body: said
    cloud.script = lambda body: says("unsure") if request_.question is CUSTOM else obedient(body)
    answer = await answered(client, edge, cloud, request_)
    assert answer.model is not None
    assert answer.model.escalated == why
    assert bool(cloud.asked) is (why is not None)


async def test_the_answer_of_the_cloud_is_kept_with_what_both_have_cost(
    client: Client, edge: StubEngine, cloud: StubEngine
) -> None:
    edge.script = lambda _body: says("unsure")
    answer = await answered(client, edge, cloud, asking())
    assert answer.model is not None
    assert (answer.status, answer.model.route, answer.model.endpoint) == ("Ok", "Cloud", "spare")
    assert (answer.model.attempts, answer.model.prompt_tokens, answer.model.completion_tokens) == (2, 200, 40)


@pytest.mark.parametrize(
    ("site", "other", "kept"),
    [
        (found("m1"), Scripted("so to say"), "Edge"),
        (found("m1"), says("unsure"), "Edge"),
        (says("unsure"), Scripted("so to say"), "Edge"),
        (Scripted("so to say"), says("unsure"), "Cloud"),
        (Scripted("so to say"), Scripted("so to say"), "Cloud"),
        (found("m1"), found("m1"), "Cloud"),
    ],
)
async def test_an_answer_that_is_worth_less_does_not_take_the_place_of_one_that_is_worth_more(
    client: Client, edge: StubEngine, cloud: StubEngine, site: Scripted, other: Scripted, kept: str
) -> None:
    edge.script, cloud.script = (lambda _body: site), (lambda _body: other)
    answer = await answered(client, edge, cloud, asking("m1", "m2"))
    assert answer.model is not None
    assert answer.model.route == kept
    assert answer.model.escalated is not None


async def test_with_the_cloud_away_the_answer_of_the_site_stands(
    client: Client, edge: StubEngine, cloud: StubEngine
) -> None:
    edge.script = lambda _body: says("unsure")
    cloud.script = lambda _body: Scripted("away", status=500)
    answer = await answered(client, edge, cloud, asking())
    assert answer.model is not None
    assert (answer.status, answer.model.route, answer.model.escalated) == ("Abstained", "Edge", None)


async def test_with_the_engine_of_the_site_away_the_cloud_is_asked(
    client: Client, edge: StubEngine, cloud: StubEngine
) -> None:
    edge.script = lambda _body: Scripted("ill", status=500)
    answer = await answered(client, edge, cloud, asking())
    assert answer.model is not None
    assert (answer.status, answer.model.route, answer.model.escalated) == ("Ok", "Cloud", None)


async def test_nothing_that_may_not_leave_the_site_escalates(
    client: Client, edge: StubEngine, cloud: StubEngine
) -> None:
    edge.script = lambda _body: says("unsure")
    router = a_router(client, edge, cloud)
    answer = await ask_by_route(asking(policy="Never"), WINDOW, router)
    assert (answer.status, cloud.heard) == ("Abstained", [])
    assert router.loads()["spare"].withheld == 1
    edge.script = lambda _body: Scripted("ill", status=500)
    with pytest.raises(NobodyAnswers):
        await ask_by_route(asking(policy="Never"), WINDOW, router)
    assert cloud.heard == []


async def test_what_may_leave_under_pseudonyms_escalates_under_them(
    client: Client, edge: StubEngine, cloud: StubEngine
) -> None:
    edge.script = lambda _body: says("unsure")
    answer = await answered(client, edge, cloud, asking(policy="Pseudonymised"))
    assert [finding.key for finding in answer.findings] == ["Anomaly/m1/rms"]
    assert not [raw for raw in cloud.heard if b"m1" in raw]


async def test_the_reason_is_in_what_is_published_and_in_the_books(
    client: Client, edge: StubEngine, cloud: StubEngine, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    with ledger.transaction() as db:
        insert_requests(db, [asking()])
    docket = Docket(ledger, lambda: 110 * SECOND)
    (claim,), _ = docket.claim(1)
    edge.script = lambda _body: says("unsure")
    docket.answer(claim, await answered(client, edge, cloud, claim.request))
    (body,) = ledger.db.execute("SELECT body FROM answer").fetchone()
    books = ledger.db.execute("SELECT graph, n FROM book WHERE entry = 'escalated.Unsure'").fetchall()
    ledger.close()
    assert json.loads(body)["model"]["escalated"] == "Unsure"
    assert books == [("g", 1)]
