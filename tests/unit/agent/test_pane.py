"""A pane holds the same whatever the order in which things came, and however they were split."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.decode.observation import Observation
from edgeglm_agent.graph.pane import Pane

from .observations import an_observation

OBSERVATIONS = st.lists(
    st.builds(
        an_observation,
        st.floats(min_value=0, max_value=50),
        at=st.integers(min_value=100, max_value=110),
        machine=st.sampled_from(["m1", "m2", "m3"]),
        line=st.sampled_from(["l1", "l2"]),
    ),
    max_size=30,
)


def pane_of(observations: list[Observation]) -> Pane:
    pane = Pane()
    for observation in observations:
        pane.add(observation)
    return pane


@given(OBSERVATIONS, st.randoms())
def test_the_order_of_arrival_does_not_matter(observations: list[Observation], chance: object) -> None:
    shuffled = list(observations)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert pane_of(shuffled) == pane_of(observations)


@given(OBSERVATIONS, OBSERVATIONS)
def test_merging_panes_is_commutative_and_equals_one_pane(one: list[Observation], other: list[Observation]) -> None:
    left, right = pane_of(one), pane_of(other)
    left.merge(pane_of(other))
    right.merge(pane_of(one))
    assert left == right == pane_of(one + other)


@given(OBSERVATIONS)
def test_a_stored_pane_comes_back_as_it_was(observations: list[Observation]) -> None:
    pane = pane_of(observations)
    assert msgspec.json.decode(msgspec.json.encode(pane), type=Pane) == pane


@given(OBSERVATIONS, OBSERVATIONS)
def test_a_pane_that_was_merged_into_another_goes_on_by_itself(
    one: list[Observation], later: list[Observation]
) -> None:
    whole, slice_of_it = Pane(), pane_of(one)
    whole.merge(slice_of_it)
    for observation in later:
        slice_of_it.add(observation)
    assert whole == pane_of(one)
