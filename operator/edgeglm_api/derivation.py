"""What must hold of derived properties: each can be read, is new, and is made of numbers that are there."""

from collections.abc import Collection, Iterable, Iterator

from edgeglm_api.expression import BadExpression, Expression
from edgeglm_api.sensor_graph import Derived, Source


def problems_of_derived(
    derived: Iterable[Derived], sources: Iterable[Source], relations: Collection[str] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the field and what is wrong with it.

    `relations` are the types that there can be; None where that is not known, as of the Devices of a site.
    """
    taken = {measurement.property for source in sources for measurement in source.measurements}
    known = {
        measurement.property for source in sources for measurement in source.measurements if measurement.type != "Enum"
    }
    for at, each in enumerate(derived):
        if each.property in taken:
            yield f"derived[{at}].property", f"{each.property!r} is there already; choose another name"
        try:
            expression = Expression(each.expr)
        except BadExpression as error:
            yield f"derived[{at}].expr", f"{each.expr!r} {error}"
        else:
            if stranger := _stranger(expression, known, relations):
                yield f"derived[{at}].expr", f"{each.expr!r} asks for {stranger}"
        taken.add(each.property)
        known.add(each.property)


def _stranger(expression: Expression, known: Collection[str], relations: Collection[str] | None) -> str:
    """Return what it is made of that is not there; empty when all is."""
    asked = expression.names | {each.name for each in expression.aggregates if each.name}
    if strangers := sorted(asked - set(known)):
        return f"{strangers[0]!r}, which no source measures"
    led = {each.relation for each in expression.aggregates}
    if relations is not None and (strangers := sorted(led - set(relations))):
        return f"the relation {strangers[0]!r}, which no source and no topology has"
    return ""
