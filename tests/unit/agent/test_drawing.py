"""A drawn graph: everybody has a place of their own, relations lead to the right, and few of them cross."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.page.columns import MAX_IN_A_COLUMN, Arrow, columns_of
from edgeglm_agent.page.crossings import Point, crossings, untangled
from edgeglm_agent.page.drawing import draw
from edgeglm_agent.page.heights import apart

NAMES = st.sampled_from([f"n{number}" for number in range(24)])
ARROWS = st.lists(st.tuples(NAMES, NAMES), max_size=60)


def drawn(arrows: list[Arrow], *others: str) -> tuple[tuple[str, ...], tuple[Arrow, ...]]:
    return tuple(sorted({*others, *(end for arrow in arrows for end in arrow)})), tuple(arrows)


@given(ARROWS)
def test_no_two_entities_of_a_column_are_closer_than_a_row(arrows: list[Arrow]) -> None:
    nodes, arrows_ = drawn(arrows, "alone")
    drawing = draw(nodes, arrows_)
    assert set(drawing.places) == set(nodes)
    for column in range(drawing.columns):
        rows = sorted(row for at, row in drawing.places.values() if at == column)
        assert 1 <= len(rows) <= MAX_IN_A_COLUMN
        assert all(below - above >= 0.98 for above, below in pairwise(rows))
        assert rows[0] >= 0
        assert rows[-1] <= drawing.rows - 1 + 1e-9


@given(ARROWS)
def test_relations_lead_to_the_right_where_they_go_round_in_no_circle(arrows: list[Arrow]) -> None:
    forward = [(low, high) for low, high in (sorted(arrow) for arrow in arrows) if low != high]
    drawing = draw(*drawn(forward))
    for source, target in forward:
        assert drawing.places[source][0] < drawing.places[target][0]


@given(ARROWS)
def test_a_way_goes_from_entity_to_entity_a_column_at_a_time(arrows: list[Arrow]) -> None:
    drawing = draw(*drawn(arrows))
    assert set(drawing.routes) == {arrow for arrow in arrows if arrow[0] != arrow[1]}
    for (source, target), route in drawing.routes.items():
        assert (route[0], route[-1]) == (drawing.places[source], drawing.places[target])
        steps = {there[0] - here[0] for here, there in pairwise(route)}
        assert len(route) == 2 or steps in ({1}, {-1})


@given(ARROWS, st.randoms())
def test_the_order_in_which_a_graph_is_told_does_not_matter(arrows: list[Arrow], dice: object) -> None:
    nodes, unique = drawn(list(dict.fromkeys(arrow for arrow in arrows if arrow[0] != arrow[1])))
    shuffled = list(unique)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert columns_of(nodes[::-1], shuffled) == columns_of(nodes, unique)


def test_a_circle_is_cut_at_one_place() -> None:
    drawing = draw(*drawn([("a", "b"), ("b", "c"), ("c", "a")]))
    back = [arrow for arrow in drawing.routes if drawing.places[arrow[0]][0] > drawing.places[arrow[1]][0]]
    assert len(back) == 1


def test_a_station_stands_to_the_right_of_its_feeders_and_those_right_of_their_breakers() -> None:
    feeds = [(f"q-{n}", f"feeder-{n}") for n in range(1, 4)]
    drawing = draw(*drawn([*feeds, *((feeder, "station") for _, feeder in feeds)]))
    assert {name: column for name, (column, _) in drawing.places.items()} == {
        **{f"q-{n}": 0 for n in range(1, 4)},
        **{f"feeder-{n}": 1 for n in range(1, 4)},
        "station": 2,
    }
    for breaker, feeder in feeds:
        assert drawing.places[breaker][1] == drawing.places[feeder][1], "side by side, the line between is straight"
    assert drawing.places["station"][1] == drawing.places["feeder-2"][1], "in the middle of what leads to it"


def test_a_long_relation_goes_around_what_stands_between() -> None:
    drawing = draw(*drawn([("a", "b"), ("b", "c"), ("a", "c")]))
    (_, passing, _) = drawing.routes["a", "c"]
    assert passing[0] == drawing.places["b"][0]
    assert abs(passing[1] - drawing.places["b"][1]) >= 0.69


def test_where_much_is_part_of_one_thing_it_stands_evenly_around_the_line_that_leads_there() -> None:
    drawing = draw(*drawn([(f"m{number:02}", "line") for number in range(30)]))
    middle = drawing.places["line"][1]
    for column in range(3):
        rows = [row for at, row in drawing.places.values() if at == column]
        assert abs((min(rows) + max(rows)) / 2 - middle) <= 0.5
    assert drawing.rows <= 12


def test_long_relations_to_one_entity_go_together() -> None:
    chain = [("a", "b"), ("b", "c")]
    drawing = draw(*drawn([*chain, ("a", "c"), ("a2", "b"), ("a2", "c"), ("a3", "b"), ("a3", "c")]))
    assert len({drawing.routes[name, "c"][1] for name in ("a", "a2", "a3")}) == 1


def test_what_can_be_untangled_is() -> None:
    right_of: dict[Point, list[Point]] = {"a": ["z"], "b": ["y"], "c": ["x"]}
    left_of: dict[Point, list[Point]] = {"z": ["a"], "y": ["b"], "x": ["c"]}
    columns = [["a", "b", "c"], ["x", "y", "z"]]
    assert crossings(columns, right_of) == 3
    assert crossings(untangled(columns, right_of, left_of), right_of) == 0


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=12))
def test_places_are_a_row_apart_and_none_could_come_nearer_to_what_is_wished_for(wishes: list[float]) -> None:
    places = apart(wishes, [1.0] * len(wishes))
    assert all(below - above > 1 - 1e-9 for above, below in pairwise(places))

    def cost(candidate: list[float]) -> float:
        return sum((place - wish) ** 2 for place, wish in zip(candidate, wishes, strict=True))

    for at in range(len(places)):
        for shift in (-0.01, 0.01):
            moved = [*places[:at], places[at] + shift, *places[at + 1 :]]
            if all(below - above >= 1 - 1e-12 for above, below in pairwise(moved)):
                assert cost(moved) >= cost(places) - 1e-9


def test_the_largest_graph_that_rules_allow_is_drawn_within_its_bounds() -> None:
    arrows = [(f"n{number:03}", f"n{(number * 7 + step) % 256:03}") for number in range(256) for step in (1, 5)]
    drawing = draw(*drawn(arrows))
    assert sum(map(len, drawing.routes.values())) <= 512 * 10
