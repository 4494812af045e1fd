"""Derived properties: one reading a window of each entity, of the means of what it is made of."""

from collections.abc import Sequence

from edgeglm_agent.decode.measure import LARGEST_MAGNITUDE
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.stat import stat_of
from edgeglm_api.expression import Expression
from edgeglm_api.sensor_graph import Derived


class Derivation:
    """One derived property, compiled; raises BadExpression."""

    def __init__(self, rules: Derived) -> None:
        self.rules = rules
        self.expression = Expression(rules.expr)


def derive(pane: Pane, derivations: Sequence[Derivation]) -> None:
    """Add to a whole window what can be derived; each may be made of those before it."""
    for derivation in derivations:
        names, rules = derivation.expression.names, derivation.rules
        for properties in pane.stats.values():
            if not names or not names <= properties.keys():
                continue
            value = derivation.expression.value({name: properties[name].mean for name in names})
            if value is not None and abs(value) <= LARGEST_MAGNITUDE:
                last_ns = max(properties[name].last_ns for name in names)
                properties[rules.property] = stat_of(value, last_ns, rules.limits)
