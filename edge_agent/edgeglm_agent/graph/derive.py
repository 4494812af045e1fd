"""Derived properties: one reading a window of each entity, of the means of what it and its neighbours measure.

A sum has a value only when all that the relation leads to have one, and it led there all through the window: a balance
from which a silent meter is left out would be a false alarm. Mean, min and max are of those that were heard.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from edgeglm_agent.decode.measure import LARGEST_MAGNITUDE
from edgeglm_agent.graph.around import Around, Way
from edgeglm_agent.graph.evidence import MAX_NAMED, Among
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.stat import Stat, stat_of
from edgeglm_agent.graph.window import Window
from edgeglm_api.expression import Aggregate, Expression
from edgeglm_api.sensor_graph import Derived, Source

Kinds = Mapping[str, frozenset[str] | None]
"""Property to the types of entities that can have it; None: any, as of what is made of neighbours alone."""

_OF_MANY: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    # To the bit the same in whatever order.
    "sum": math.fsum,
    "mean": lambda values: math.fsum(values) / len(values),
    "min": min,
    "max": max,
}


class Derivation:
    """One derived property, compiled; raises BadExpression."""

    def __init__(self, rules: Derived, kinds: Kinds) -> None:
        self.rules = rules
        self.expression = expression = Expression(rules.expr)
        self.ways = {each: (each.relation, each.inverse) for each in expression.aggregates}
        self.kinds = {each: kinds.get(each.name) for each in expression.aggregates}


def derivations_of(derived: Iterable[Derived], sources: Iterable[Source]) -> tuple[Derivation, ...]:
    """Return derived properties, compiled, in the order in which they are made of each other."""
    kinds: dict[str, frozenset[str] | None] = {}
    for source in sources:
        for measurement in source.measurements:
            before = kinds.get(measurement.property) or frozenset()
            kinds[measurement.property] = before | {source.entity.type}
    compiled = []
    for each in derived:
        derivation = Derivation(each, kinds)
        own = [known for name in derivation.expression.names if (known := kinds.get(name)) is not None]
        kinds[each.property] = frozenset.intersection(*own) if own else None
        compiled.append(derivation)
    return tuple(compiled)


def ways_of(derivations: Iterable[Derivation]) -> frozenset[Way]:
    """Return the relations that are followed."""
    return frozenset(way for derivation in derivations for way in derivation.ways.values())


def derive(window: Window, derivations: Sequence[Derivation], near: Around) -> Window:
    """Add to a whole window what can be derived of those at home in it; each may be made of those before it."""
    made_of: dict[str, dict[str, Among]] = {}
    for derivation in derivations:
        name = derivation.rules.property
        for entity in list(_candidates(derivation, window.pane, near)):
            stat, among = _derived(derivation, window, entity, near)
            if stat is None:
                continue
            window.pane.stats.setdefault(entity, {})[name] = stat
            if among is not None:
                window.pane.know(entity, near.kinds[entity])
                made_of.setdefault(entity, {})[name] = among
    return msgspec.structs.replace(window, made_of=made_of) if made_of else window


def _candidates(derivation: Derivation, pane: Pane, near: Around) -> Iterator[str]:
    names = derivation.expression.names
    if names:
        yield from (entity for entity, properties in pane.stats.items() if names <= properties.keys())
        return
    for way in list(derivation.ways.values())[:1]:
        yield from (entity for entity in near.starts(way) if entity in near.kinds)


def _derived(derivation: Derivation, window: Window, entity: str, near: Around) -> tuple[Stat | None, Among | None]:
    """Return what comes of it, and whom else it is made of; None when it cannot be told."""
    expression, rules = derivation.expression, derivation.rules
    own = {name: window.pane.stats[entity][name] for name in expression.names}
    known = {name: stat.mean for name, stat in own.items()}
    moments = [stat.last_ns for stat in own.values()]
    heard, missed = set[str](), set[str]()
    for aggregate in expression.aggregates:
        there = _gathered(aggregate, derivation, window.pane, near.of(entity, derivation.ways[aggregate]), near)
        value = there.value(aggregate)
        if value is None:
            return None, None
        known[aggregate.text] = value
        moments += [stat.last_ns for stat in there.stats.values()]
        heard |= there.heard
        missed |= there.missed
    value = expression.value(known)
    if value is None or abs(value) > LARGEST_MAGNITUDE:
        return None, None
    last_ns = max(moments, default=window.end_ns - 1)
    return stat_of(value, last_ns, rules.limits), _among(heard, missed) if expression.aggregates else None


class _Gathered(msgspec.Struct, frozen=True):
    """What an aggregate is made of."""

    heard: frozenset[str]
    missed: frozenset[str]
    stats: Mapping[str, Stat]
    """Of those that were heard; empty where they are only counted."""
    steady: bool
    """Whether the relation led to each of them all the time."""

    def value(self, aggregate: Aggregate) -> float | None:
        """Return what it comes to; None when it cannot be told."""
        if not self.heard and not self.missed:
            return None
        if aggregate.function == "count":
            return float(len(self.heard))
        if not self.heard or (aggregate.function == "sum" and not (self.steady and not self.missed)):
            return None
        return _OF_MANY[aggregate.function]([stat.mean for stat in self.stats.values()])


def _gathered(
    aggregate: Aggregate, derivation: Derivation, pane: Pane, led: Mapping[str, bool], near: Around
) -> _Gathered:
    if not aggregate.name:
        return _Gathered(frozenset(led), frozenset(), {}, steady=True)
    kinds = derivation.kinds[aggregate]
    stats = {other: stat for other in led if (stat := pane.stats.get(other, {}).get(aggregate.name)) is not None}
    # Who is of a type that nobody measures this of is not missed.
    missed = frozenset(other for other in led.keys() - stats.keys() if kinds is None or near.kinds.get(other) in kinds)
    steady = all(led[other] for other in stats)
    return _Gathered(frozenset(stats), missed, stats, steady)


def _among(heard: set[str], missed: set[str]) -> Among:
    return Among(tuple(sorted(heard)[:MAX_NAMED]), len(heard), len(heard | missed))
