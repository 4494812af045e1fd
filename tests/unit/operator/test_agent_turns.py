"""How many agents may be out of service, whose turn it is, and what cannot wait: pure."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.model import read
from edgeglm_operator.max_unavailable import MaxUnavailable, max_unavailable_of
from edgeglm_operator.observed import Deployment, Node
from edgeglm_operator.reconcile.agent_turns import AgentTurns, is_unready
from edgeglm_operator.resources.agent_deployment import make_agent_deployment
from edgeglm_operator.resources.agent_reach import reach_of
from edgeglm_operator.resources.agent_secrets import AgentSecrets
from edgeglm_operator.resources.broker_secrets import BrokerSecret
from edgeglm_operator.resources.endpoint_secrets import EndpointSecret
from edgeglm_operator.settings import Reporting, Settings
from edgeglm_operator.store import Name
from tests.reconcile.builders import an_edge_site

SITES = st.integers(0, 9).map(lambda number: Name("plant", f"box-{number}"))


@pytest.mark.parametrize(
    ("text", "size", "most"),
    [("1", 300, 1), ("7", 3, 7), ("10%", 300, 30), ("10%", 301, 31), ("1%", 3, 1), ("100%", 3, 3), ("5%", 0, 1)],
)
def test_a_percentage_is_rounded_up(text: str, size: int, most: int) -> None:
    assert max_unavailable_of(text).of(size) == most
    assert str(max_unavailable_of(text)) == text


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "10001", "-1", "1.5", "ten", "1 %", "%"])
def test_what_would_let_nothing_change_or_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a number from 1 to 10000 nor a percentage"):
        max_unavailable_of(text)


@given(st.lists(st.tuples(st.sampled_from(["take", "ready", "unready"]), SITES)), st.integers(1, 3))
def test_no_turn_is_given_while_as_many_others_are_not_ready(steps: list[tuple[str, Name]], at_once: int) -> None:
    turns, unready = AgentTurns(), set[Name]()
    for step, site in steps:
        if step == "take":
            turns.saw(site, unready=site in unready)
            has_turn = turns.take(site, at_once)
            assert has_turn == (len(unready - {site}) < at_once)
            unready |= {site} if has_turn else set()
        else:
            (unready.add if step == "unready" else unready.discard)(site)
            turns.saw(site, unready=step == "unready")
        called = turns.next_ones(at_once)
        assert set(called) <= turns.waiting
        assert len(called) == min(len(turns.waiting), max(at_once - len(unready), 0))


@pytest.mark.parametrize(
    ("live", "node", "unready"),
    [
        ({}, {}, True),
        ({"updated_replicas": 1, "current_replicas": 1, "ready_replicas": 1}, {}, False),
        ({"updated_replicas": 1, "current_replicas": 1, "ready_replicas": 1, "generation": 2}, {}, True),
        ({"replicas": 0}, {}, False),
        ({}, {"ready": False}, False),
    ],
    ids=["starting", "ready", "not read yet", "suspended", "dark"],
)
def test_whom_others_wait_for(live: dict[str, Any], node: dict[str, Any], *, unready: bool) -> None:
    found = Deployment(namespace="plant", name="box-1-agent", **live)
    at = Node(name="box-1", **({"ready": True} | node))
    assert is_unready(found, at) is unready
    assert not is_unready(None, at)
    assert not is_unready(found, None)


def a_template(secrets: AgentSecrets | None = None, reporting: Reporting | None = None, **site: Any) -> dict[str, Any]:
    settings = Settings(reporting=reporting, agent_max_unavailable=MaxUnavailable(1))
    made = make_agent_deployment(read(an_edge_site("box-1", "box-1", **site), EdgeSite), settings, secrets or _SOME)
    template: dict[str, Any] = made["spec"]["template"]
    return template


_SOME = AgentSecrets(("key",), (BrokerSecret("trust", "ca"),), (EndpointSecret("keys", "hub", ("api", "other")),))


@pytest.mark.parametrize(
    ("other", "will_do"),
    [
        (a_template(), True),
        (a_template(AgentSecrets(("key",))), True),
        (a_template(receive="Batches"), True),
        (a_template(reporting=Reporting(url="https://reports.example", key=b"k" * 32)), True),
        (a_template(_SOME._replace(keys=("key", "more"))), False),
        (a_template(_SOME._replace(brokers=(BrokerSecret("credentials", "ca"),))), False),
        (a_template(_SOME._replace(endpoints=(EndpointSecret("keys", "hub", ("api", "new")),))), False),
        (a_template(endpointHosts=["127.0.0.1"]), False),
    ],
    ids=["the same", "less", "way of messages", "reports", "key", "credentials", "file of a Secret", "pin"],
)
def test_what_its_bundle_counts_on_no_agent_waits_for(other: dict[str, Any], *, will_do: bool) -> None:
    assert reach_of(a_template()).will_do_for(reach_of(other)) is will_do


def test_a_pin_that_is_taken_back_or_moved_holds_at_once() -> None:
    pinned = reach_of(a_template(endpointHosts=["127.0.0.1", "10.0.0.1"]))
    assert pinned.hosts == ("127.0.0.1", "10.0.0.1")
    assert not pinned.will_do_for(reach_of(a_template()))
    assert not pinned.will_do_for(reach_of(a_template(endpointHosts=["10.0.0.1"])))
