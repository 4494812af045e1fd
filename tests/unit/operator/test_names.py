"""Names of children: valid whatever the parents are called, and no two alike for one owner."""

import re

from hypothesis import given
from hypothesis import strategies as st

from edgeglm_operator.resources import names

DNS_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")

resource_names = st.from_regex(r"[a-z]([-a-z0-9]{0,50}[a-z0-9])?", fullmatch=True)
target_names = st.from_regex(r"[a-z]([-a-z0-9]{0,30}[a-z0-9])?", fullmatch=True)
node_names = st.from_regex(
    r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?){0,3}", fullmatch=True
)


def test_plain_names_stay_readable() -> None:
    assert names.edge_deployment_name("llm", "plants", "edge-1") == "llm-plants-edge-1"
    assert names.site_name("edge-1") == "edge-1"
    assert names.agent_name("edge-1") == "edge-1-agent"
    assert names.bundle_name("edge-1") == "edge-1-bundle"


def test_a_changed_name_ends_with_a_hash_of_the_original() -> None:
    assert re.fullmatch(r"box-plant-example-[0-9a-f]{8}", names.site_name("box.plant.example"))
    assert re.fullmatch(r"n-10-0-0-7-[0-9a-f]{8}", names.site_name("10.0.0.7"))
    assert names.site_name("box.a") != names.site_name("box-a")


def test_a_name_that_is_too_long_is_cut_and_ends_with_a_hash() -> None:
    long = names.edge_deployment_name("s" * 52, "t" * 32, "n" * 63)
    other = names.edge_deployment_name("s" * 52, "t" * 32, "n" * 62 + "m")
    assert len(long) == 63
    assert long != other


def test_two_targets_of_one_service_never_meet() -> None:
    assert names.edge_deployment_name("llm", "a", "b-c") != names.edge_deployment_name("llm", "a-b", "c")


@given(resource_names, target_names, node_names)
def test_every_name_is_a_dns_1035_label(service: str, target: str, node: str) -> None:
    for name in (
        names.edge_deployment_name(service, target, node),
        names.site_name(node),
        names.agent_name(names.site_name(node)),
        names.bundle_name(names.site_name(node)),
        names.key_volume_name(node),
    ):
        assert DNS_1035.fullmatch(name), name


@given(resource_names, st.lists(st.tuples(target_names, node_names), min_size=2, max_size=6, unique=True))
def test_one_service_gives_each_place_a_name_of_its_own(service: str, places: list[tuple[str, str]]) -> None:
    made = {names.edge_deployment_name(service, target, node) for target, node in places}
    assert len(made) == len(places)


@given(node_names)
def test_a_site_can_be_made_for_every_node(node: str) -> None:
    """The CRD takes names of up to 52 characters."""
    assert len(names.site_name(node)) <= 52


@given(st.lists(node_names, min_size=2, max_size=6, unique=True))
def test_each_node_has_a_site_of_its_own(nodes: list[str]) -> None:
    assert len({names.site_name(node) for node in nodes}) == len(nodes)
