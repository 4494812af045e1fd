"""Which nodes are meant, and who keeps a port of a node."""

from typing import Any

import msgspec
import pytest

from edgeglm_api.model import read
from edgeglm_api.selection import Sites
from edgeglm_operator.observed import Node
from edgeglm_operator.reconcile.placement import Place, port_conflicts, refusal, sites_of
from tests.unit.operator.builders import a_node, a_target, an_inference_service

BOXES = (a_node("box-2"), a_node("box-1", zone="a"), Node(name="cloud-1", labels={"zone": "a"}, ready=True))


@pytest.mark.parametrize(
    ("sites", "chosen"),
    [
        ({"nodeNames": ["box-2", "box-1", "cloud-1", "gone"]}, ["box-1", "box-2"]),
        ({"nodeSelector": {"zone": "a"}}, ["box-1"]),
        ({"nodeGroup": "hangzhou"}, []),
    ],
)
def test_only_edge_nodes_are_chosen_and_in_order(sites: dict[str, Any], chosen: list[str]) -> None:
    assert [node.name for node in sites_of(read(sites, Sites), BOXES)] == chosen


def test_the_older_service_keeps_a_port_and_the_younger_is_blocked_on_that_node_only() -> None:
    old = an_inference_service("old", namespace="b", created="2026-01-01T00:00:00Z", edge=[a_target()])
    young = an_inference_service("young", created="2026-01-02T00:00:00Z", edge=[a_target(nodes=("box-1", "box-2"))])
    conflicts = port_conflicts(young, [old, young], BOXES)
    assert list(conflicts) == [Place("plants", "box-1")]
    assert port_conflicts(old, [old, young], BOXES) == {}
    refused = refusal(Place("plants", "box-1"), conflicts[Place("plants", "box-1")])
    assert refused.reason == "HostPortConflict"
    assert refused.message == (
        "spec.edge[plants].port: 8000 is taken on node box-1 by b/old (spec.edge[plants]);"
        " choose another port or another node"
    )


def test_of_two_made_in_the_same_second_the_uid_decides() -> None:
    one, other = (an_inference_service(name, edge=[a_target()]) for name in ("one", "other"))
    assert bool(port_conflicts(one, [one, other], BOXES)) != bool(port_conflicts(other, [one, other], BOXES))


def test_other_ports_do_not_meet() -> None:
    old = an_inference_service("old", created="2026-01-01T00:00:00Z", edge=[a_target(port=8001)])
    young = an_inference_service("young", created="2026-01-02T00:00:00Z", edge=[a_target()])
    assert port_conflicts(young, [old], BOXES) == {}


def test_two_targets_of_one_service_meet_too() -> None:
    service = an_inference_service(edge=[a_target("a"), a_target("b", nodes=("box-1", "box-2"))])
    conflicts = port_conflicts(service, [], BOXES)
    assert [(place.target, place.node, claim.place.target) for place, claim in conflicts.items()] == [
        ("b", "box-1", "a")
    ]


def test_a_service_that_is_going_holds_nothing() -> None:
    old = an_inference_service("old", created="2026-01-01T00:00:00Z", edge=[a_target()])
    metadata = msgspec.structs.replace(old.metadata, deletion_timestamp="2026-02-01T00:00:00Z")
    going = msgspec.structs.replace(old, metadata=metadata)
    young = an_inference_service("young", created="2026-01-02T00:00:00Z", edge=[a_target()])
    assert port_conflicts(young, [going], BOXES) == {}
