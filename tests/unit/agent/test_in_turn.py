"""High before normal before low, and nothing waits for ever."""

from collections.abc import Iterable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.reason.in_turn import SLACK, TURNS_A_ROUND, Line
from edgeglm_agent.reason.plan import Plan
from edgeglm_agent.reason.urgency import Urgency, vllm_priority


def a_plan(number: int, urgency: Urgency, *, since: int = 0) -> Plan:
    key, ends = ("g", f"p{number}"), since + 30
    return Plan(key, f"r{number}", covers=(), expired=False, expires_ns=ends, since_ns=since, urgency=urgency)


def a_line(plans: Iterable[Plan], *, taken: int = 0) -> Line:
    line = Line(taken=taken)
    for each in plans:
        line.enter(each)
    return line


def in_turn(plans: Iterable[Plan], *, taken: int) -> Iterator[Plan]:
    line = a_line(plans, taken=taken)
    while (each := line.next(lambda _graph: True)) is not None:
        yield each


URGENCIES = st.sampled_from(Urgency)
PLANS = st.lists(st.tuples(URGENCIES, st.integers(0, 50)), max_size=40).map(
    lambda drawn: [a_plan(number, urgency, since=since) for number, (urgency, since) in enumerate(drawn)]
)
TAKEN = st.integers(0, 1000)


def by_age(turn: int) -> bool:
    return turn % TURNS_A_ROUND == TURNS_A_ROUND - 1


@given(PLANS, TAKEN)
def test_each_has_one_turn(plans: list[Plan], taken: int) -> None:
    asked = [each.request_id for each in in_turn(plans, taken=taken)]
    assert sorted(asked) == sorted(each.request_id for each in plans)


@given(PLANS, TAKEN)
def test_a_turn_is_of_the_most_urgent_and_one_in_eight_of_the_oldest(plans: list[Plan], taken: int) -> None:
    left = {each.request_id: each for each in plans}
    for turn, each in enumerate(in_turn(plans, taken=taken), start=taken):
        if by_age(turn):
            assert each.since_ns == min(other.since_ns for other in left.values())
            assert each.urgency is Urgency.HIGH, "the engine is told so, or it would let it wait"
        else:
            assert (each.urgency, each.since_ns) == min((other.urgency, other.since_ns) for other in left.values())
        del left[each.request_id]


@given(URGENCIES, st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(0, 10), TAKEN)
def test_nothing_waits_for_ever_however_many_urgent_ones_come(
    urgency: Urgency, come: list[int], older: int, taken: int
) -> None:
    """One is asked at a time; with n before it, it is asked in n + 1 rounds at most."""
    waiting = [a_plan(number, Urgency.HIGH, since=-1) for number in range(older)] + [a_plan(999, urgency)]
    for turn in range((older + 1) * TURNS_A_ROUND):
        fresh = come[turn % len(come)]
        waiting += [a_plan(1000 * (turn + 1) + each, Urgency.HIGH, since=turn + 1) for each in range(fresh)]
        first = next(in_turn(waiting, taken=taken + turn))
        if first.request_id == "r999":
            return
        waiting = [each for each in waiting if each.key != first.key]
    raise AssertionError("it waits still")


@given(st.integers(0, 100), TAKEN)
def test_old_low_ones_leave_the_high_ones_seven_eighths(rounds: int, taken: int) -> None:
    plans = [a_plan(number, Urgency.LOW, since=-1000) for number in range(rounds)]
    plans += [a_plan(1000 + number, Urgency.HIGH, since=number) for number in range(rounds * (TURNS_A_ROUND - 1))]
    turns = list(in_turn(plans, taken=taken))[: rounds * TURNS_A_ROUND]
    assert sum(each.since_ns < 0 for each in turns) == rounds
    assert all(by_age(turn) for turn, each in enumerate(turns, start=taken) if each.since_ns < 0)


def test_vllm_serves_the_lower_number_first_and_who_says_nothing_has_zero() -> None:
    assert vllm_priority(Urgency.HIGH) < vllm_priority(Urgency.NORMAL) == 0 < vllm_priority(Urgency.LOW)


def test_who_leaves_has_no_turn_and_who_comes_anew_has_the_new_place() -> None:
    line = a_line([a_plan(1, Urgency.HIGH), a_plan(2, Urgency.HIGH), a_plan(3, Urgency.NORMAL)])
    line.leave(("g", "p1"))
    line.enter(a_plan(2, Urgency.LOW))
    turns = [line.next(lambda _graph: True) for _ in range(3)]
    assert [each and each.request_id for each in turns] == ["r3", "r2", None]


def test_each_is_overdue_once_and_only_who_stands_there() -> None:
    line = a_line(a_plan(number, Urgency.LOW, since=number) for number in range(4))
    line.leave(("g", "p1"))
    assert list(line.overdue(32)) == [("g", "p0")]
    assert list(line.overdue(33)) == [("g", "p2")]
    assert list(line.overdue(33)) == []


def test_those_that_have_left_do_not_fill_the_memory() -> None:
    """The oldest stays, so the places by age of all that came and went pile up behind it."""
    line = a_line([a_plan(0, Urgency.LOW, since=-1)])
    for number in range(1, 3 * SLACK):
        line.enter(a_plan(number, Urgency.HIGH, since=number))
        line.leave(("g", f"p{number}"))
    places = (line._oldest, line._urgent)
    assert max(len(queue) for queues in places for queue in queues.values()) <= SLACK + 3
    assert len(line._ends) <= SLACK + 3
