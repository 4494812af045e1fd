"""The filters of a session never overlap, and still hear everything."""

from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.mqtt.filters import non_overlapping

LEVELS = st.lists(st.sampled_from(["a", "b", "+"]), min_size=1, max_size=4)
FILTERS = st.builds(lambda levels, rest: "/".join(levels + (["#"] if rest else [])), LEVELS, st.booleans())
TOPICS = st.builds("/".join, st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5))


def hears(filter_: str, topic: str) -> bool:
    """As MQTT 5, 4.7.1 has it; `a/#` is `a`, too."""
    wanted, levels = filter_.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(one in {"+", other} for one, other in zip(wanted, levels, strict=True))


@given(st.lists(FILTERS, max_size=6), TOPICS)
def test_each_wanted_topic_is_heard_exactly_once(filters: list[str], topic: str) -> None:
    chosen = non_overlapping(filters)
    heard = sum(hears(each, topic) for each in chosen)
    assert heard <= 1
    if any(hears(each, topic) for each in filters):
        assert heard == 1


def test_what_does_not_overlap_is_left_alone() -> None:
    filters = {"plant/+/+/vibration", "plant/+/+/temperature"}
    assert non_overlapping(filters) == filters
    assert non_overlapping(["plant/#", "plant/+/x"]) == {"plant/#"}
    assert non_overlapping(["a/+/c", "a/b/+"]) == {"a/+/+"}
