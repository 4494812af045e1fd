"""Who finds a place at an endpoint, and who leaves the turn to others."""

from edgeglm_agent.reason.in_turn import Line
from edgeglm_agent.reason.places import Places, placed
from edgeglm_agent.reason.plan import Plan
from edgeglm_agent.reason.urgency import Urgency


def a_plan(graph: str, number: int) -> Plan:
    key = (graph, f"p{number}")
    return Plan(
        key, f"{graph}{number}", covers=(), expired=False, expires_ns=0, since_ns=number, urgency=Urgency.NORMAL
    )


def found(plans: list[Plan], routes: dict[str, tuple[str, ...]], free: dict[str, int]) -> list[str]:
    line = Line()
    for each in plans:
        line.enter(each)
    return [each.request_id for each in placed(line, Places(routes, free), most=len(plans))]


def test_a_place_is_taken_once() -> None:
    plans = [a_plan("a", number) for number in range(4)]
    assert found(plans, {"a": ("edge",)}, {"edge": 2}) == ["a0", "a1"]


def test_the_second_choice_is_taken_when_the_first_is_full() -> None:
    plans = [a_plan("a", number) for number in range(4)]
    assert found(plans, {"a": ("edge", "cloud")}, {"edge": 1, "cloud": 1}) == ["a0", "a1"]


def test_who_finds_none_does_not_stand_in_the_way_of_others() -> None:
    """A full cloud must not keep the graphs of the site's own engine waiting."""
    plans = [a_plan("a", 0), a_plan("b", 1)]
    assert found(plans, {"a": ("cloud",), "b": ("edge",)}, {"cloud": 0, "edge": 1}) == ["b1"]


def test_requests_of_a_graph_that_is_gone_are_let_through() -> None:
    assert found([a_plan("gone", 0)], {"a": ("edge",)}, {"edge": 0}) == ["gone0"]


def test_who_found_none_has_it_as_soon_as_there_is_one() -> None:
    line, routes = Line(), {"a": ("cloud",), "b": ("edge",)}
    for each in (a_plan("a", 0), a_plan("b", 1), a_plan("b", 2)):
        line.enter(each)
    assert [each.request_id for each in placed(line, Places(routes, {"edge": 1}), most=9)] == ["b1"]
    both = Places(routes, {"edge": 1, "cloud": 1})
    assert [each.request_id for each in placed(line, both, most=9)] == ["a0", "b2"]
