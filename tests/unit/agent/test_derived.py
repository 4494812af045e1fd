"""Derived properties: arithmetic that is read and never run, one value a window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.config.rules import problems_of
from edgeglm_agent.graph.detect import detect
from edgeglm_agent.identity import rule_digest
from edgeglm_api.bundle import Graph
from edgeglm_api.expression import BadExpression, Expression
from edgeglm_api.sensor_graph import Derived, Limits, Measurement
from tests.edge.bundles import a_bundle, a_graph, a_source

from .test_graph_fold import a_fold, feed
from .test_relations import a_body

FLOWS = (Measurement(property="flow_in", path="$.i"), Measurement(property="flow_out", path="$.o"))


def a_graph_that_derives(*derived: Derived) -> Graph:
    return a_graph(sources=(a_source(measurements=FLOWS),), derived=derived)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a - b - 1", 2),
        ("a - (b - 1)", 4),
        ("2 + 3 * a", 17),
        ("-a * -b", 10),
        ("--a", 5),
        ("a / b / 2", 1.25),
        ("max(a, b, 7) - min(a, b)", 5),
        ("abs(b - a)", 3),
        ("1.5", 1.5),
        ("a / (b - 2)", None),
        ("a * 1" + "0" * 200, 5 * 10.0**200),
    ],
)
def test_arithmetic_is_as_at_school(text: str, value: float | None) -> None:
    assert Expression(text).value({"a": 5.0, "b": 2.0}) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "breaks off"),
        ("a -", "breaks off"),
        ("a b", "where an operator should"),
        ("a)", "where an operator should"),
        ("(a", "misses a '\\)'"),
        ("* a", "where a number or a property"),
        ("min(a)", "two arguments"),
        ("abs(a, b)", "one argument"),
        ("abs a", "misses a '\\('"),
        ("a['x']", "cannot be read"),
        ("a.real", "outside count, max, mean, min, sum"),
        ("a.b.c", "cannot be read"),
        ("^feeds", "outside count"),
        ("sum(feeds)", "the property of a relation's other end"),
        ("sum(^feeds)", "the property of a relation's other end"),
        ("sum(feeds.a, b)", "misses a '\\)'"),
        ("max(a, feeds.b)", "outside count"),
        ("sum(a + b)", "the property of a relation's other end"),
        ("sum()", "the property of a relation's other end"),
        ("count(", "the property of a relation's other end"),
        ("__import__", "cannot be read"),
        ("a ** 2", "where a number or a property"),
        ("(" * 40 + "a" + ")" * 40, "nested more than 32"),
        ("a" * 257, "256 is the most"),
    ],
)
def test_what_is_no_arithmetic_is_told(text: str, problem: str) -> None:
    with pytest.raises(BadExpression, match=problem):
        Expression(text)


def test_what_is_of_many_is_known_by_its_text() -> None:
    expression = Expression("flow - sum( feeds.flow ) / count(^on) + max(feeds.flow) - max(a, count) + sum")
    assert expression.names == {"flow", "a", "count", "sum"}, "they are functions only before a bracket"
    assert [each.text for each in expression.aggregates] == ["sum(feeds.flow)", "count(^on)", "max(feeds.flow)"]
    known = {"flow": 9.0, "a": 1.0, "count": 2.0, "sum": 0.5, "sum(feeds.flow)": 6.0, "count(^on)": 3.0}
    assert expression.value({**known, "max(feeds.flow)": 4.0}) == 9 - 6 / 3 + 4 - 2 + 0.5


@given(st.text(alphabet="ab12.+-*/(), minxsu^", max_size=40))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        expression = Expression(text)
    except BadExpression:
        return
    names = {*expression.names, *(each.text for each in expression.aggregates)}
    value = expression.value(dict.fromkeys(names, 3.0))
    assert value is None or isinstance(value, float)


def test_a_derived_property_is_one_reading_a_window_with_limits_of_its_own() -> None:
    rules = a_graph_that_derives(
        Derived(property="imbalance", expr="flow_in - flow_out", unit="l/min", limits=Limits(high=5)),
        Derived(property="share", expr="imbalance / flow_in"),
    )
    fold = a_fold(rules)
    topic = "plant/l1/m1/vibration"
    (closed,) = feed(
        fold,
        a_body(topic, at=100.0, i=20, o=12),
        a_body(topic, at=100.5, i=20, o=10),
        a_body("plant/l1/m2/vibration", at=100.5, i=20),
        a_body(topic, at=102.5, i=20, o=20),
        a_body("plant/l1/m2/vibration", at=102.5, i=20),
    )
    stats = closed.window.pane.stats
    assert (stats["l1/m1"]["imbalance"].mean, stats["l1/m1"]["share"].mean) == (9, 0.45)
    assert set(stats["l1/m2"]) == {"flow_in"}
    (item,) = detect(closed.window, {}, closed.era.surroundings.units)
    assert (item.property, item.unit, item.limit, item.value) == ("imbalance", "l/min", "high", 9)


def test_what_is_beyond_all_measure_is_left_out() -> None:
    fold = a_fold(a_graph_that_derives(Derived(property="x", expr="flow_in" + " * flow_in" * 20)))
    topic = "plant/l1/m1/vibration"
    (closed,) = feed(fold, a_body(topic, at=100.0, i=1e15, o=1), a_body(topic, at=102.5, i=1, o=1))
    assert set(closed.window.pane.stats["l1/m1"]) == {"flow_in", "flow_out"}


def test_what_is_derived_belongs_to_the_question() -> None:
    assert rule_digest(a_graph_that_derives()) == rule_digest(a_graph(sources=(a_source(measurements=FLOWS),)))
    assert rule_digest(a_graph_that_derives(Derived(property="x", expr="1"))) != rule_digest(a_graph_that_derives())


@pytest.mark.parametrize(
    ("derived", "field"),
    [
        (Derived(property="flow_in", expr="flow_out"), "property"),
        (Derived(property="x", expr="flow_in -"), "expr"),
        (Derived(property="x", expr="flow_in - pressure"), "expr"),
        (Derived(property="x", expr="x + 1"), "expr"),
    ],
)
def test_the_bundle_is_held_to_it(derived: Derived, field: str) -> None:
    (problem,) = problems_of(a_bundle(a_graph_that_derives(derived)))
    assert problem.field == f"graphs[0].derived[0].{field}"
