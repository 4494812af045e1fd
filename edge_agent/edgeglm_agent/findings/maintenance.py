"""Maintenance: a span of time in which findings are noted and not told, since people are at work there. Pure."""

from collections.abc import Iterable
from typing import Final

import msgspec

MAX_SPANS: Final = 64
"""Of a site. Spans that are over are kept, for windows that are answered late, until there are too many."""
MAX_SECONDS: Final = 30 * 86_400


class Maintenance(msgspec.Struct, frozen=True, omit_defaults=True):
    """One span; the end is not in it."""

    id: str
    graph: str
    """A uid."""
    from_ns: int
    until_ns: int
    by: str
    partition: str = ""
    """Empty: the whole graph."""
    note: str = ""

    def covers(self, graph: str, partition: str, start_ns: int, end_ns: int) -> bool:
        """Tell whether a window has anything of it."""
        here = graph == self.graph and self.partition in {"", partition}
        return here and start_ns < self.until_ns and end_ns > self.from_ns


class TooMany(ValueError):  # noqa: N818 - names what is the case
    """There are as many spans as there may be, and none is over."""


def begun(spans: Iterable[Maintenance], new: Maintenance, now_ns: int) -> list[Maintenance]:
    """Return the spans with one more, and without the oldest that are over if there are too many; raises TooMany."""
    known = [each for each in spans if each.id != new.id]
    over = sorted((each for each in known if each.until_ns <= now_ns), key=lambda each: each.until_ns)
    while len(known) >= MAX_SPANS:
        if not over:
            raise TooMany(f"{MAX_SPANS} maintenance spans are there already; end one first")
        known.remove(over.pop(0))
    return [*known, new]


def ended(spans: Iterable[Maintenance], span_id: str, now_ns: int) -> list[Maintenance]:
    """Return the spans with one that ends now; one that has not begun is taken out."""
    after: list[Maintenance] = []
    for each in spans:
        if each.id != span_id:
            after.append(each)
        elif each.from_ns < now_ns:
            after.append(msgspec.structs.replace(each, until_ns=min(each.until_ns, now_ns)))
    return after
