"""What must hold of derived properties: each can be read, is new, and is made of numbers that are there."""

from collections.abc import Iterable, Iterator

from edgeglm_api.expression import BadExpression, Expression
from edgeglm_api.sensor_graph import Derived, Source


def problems_of_derived(derived: Iterable[Derived], sources: Iterable[Source]) -> Iterator[tuple[str, str]]:
    """Yield the field and what is wrong with it."""
    taken = {measurement.property for source in sources for measurement in source.measurements}
    known = {
        measurement.property for source in sources for measurement in source.measurements if measurement.type != "Enum"
    }
    for at, each in enumerate(derived):
        if each.property in taken:
            yield f"derived[{at}].property", f"{each.property!r} is there already; choose another name"
        try:
            strangers = sorted(Expression(each.expr).names - known)
        except BadExpression as error:
            yield f"derived[{at}].expr", f"{each.expr!r} {error}"
        else:
            if strangers:
                yield f"derived[{at}].expr", f"{each.expr!r} asks for {strangers[0]!r}, which no source measures"
        taken.add(each.property)
        known.add(each.property)
