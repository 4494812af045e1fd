"""Relations that come and go. What was said of them is kept with its times, and windows look it up.

As with states, the order of arrival is indifferent: a word that comes late stands where it belongs in time.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from edgeglm_agent.decode.observation import Observation

FOREVER: Final = 2**63 - 1
MAX_SAID: Final = 256
"""Of one entity's relations of one type, so many at once or in windows that are open."""
MAX_RELATED: Final = 4096
"""Entities with relations in a graph; beyond it the one that was not heard for longest is forgotten."""


class Told(msgspec.Struct, frozen=True, array_like=True, order=True):
    """That a relation begins or ends. A Replace ends all others of its type."""

    at_ns: int
    op: str
    target: str
    target_type: str
    until_ns: int = FOREVER


class Tie(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A relation, and from when until when it holds; the end is not in it."""

    source: str
    target: str
    type: str
    since_ns: int
    until_ns: int
    target_type: str


class Related(msgspec.Struct, array_like=True):
    """An entity with relations."""

    type: str
    told: dict[str, list[Told]]
    """Type of the relation to what was said, in order of time."""


class Relations(msgspec.Struct):
    """All that come and go in a graph. Owned by its fold; stored whole, as they change rarely."""

    related: dict[str, Related] = {}
    """The one heard last is the last one."""
    newest_ns: int = 0
    """The latest moment at which any began or ended."""

    def note(self, observation: Observation, settled_ns: int) -> None:
        """Take in what a message says; before `settled_ns` no window is open, so only the newest counts there."""
        entity = observation.entity
        self.newest_ns = max(self.newest_ns, observation.event_ns)
        related = self.related.pop(entity.id, None) or Related(entity.type, {})
        related.type = min(related.type, entity.type)
        for relation in observation.relations:
            at_ns, told = observation.event_ns, related.told.setdefault(relation.type, [])
            if at_ns < settled_ns and told and at_ns < told[-1].at_ns:
                continue
            until_ns = at_ns + relation.ttl_ns if relation.ttl_ns else FOREVER
            insort(told, Told(at_ns, relation.op, relation.to.id, relation.to.type, until_ns))
            _bound(told, settled_ns)
        if len(self.related) >= MAX_RELATED:
            del self.related[next(iter(self.related))]
        self.related[entity.id] = related

    def of(self, entity: str, at_ns: int) -> list[Tie]:
        """Return what an entity is related to at a moment, in canonical order."""
        related = self.related.get(entity)
        return sorted(_ties(entity, related, at_ns, at_ns + 1)) if related else []

    def during(self, start_ns: int, end_ns: int) -> list[Tie]:
        """Return the relations that held at any time of a window, in canonical order."""
        return sorted(
            tie for entity, related in self.related.items() for tie in _ties(entity, related, start_ns, end_ns)
        )


def near(ties: Iterable[Tie], home: Iterable[str], leads_there: Callable[[Tie], bool]) -> list[Tie]:
    """Return the ties of the entities at home, and of those that belong there by what they are related to."""
    at_home, rest, chosen = set(home), set(ties), set[Tie]()
    while found := {tie for tie in rest if tie.source in at_home or (tie.target in at_home and leads_there(tie))}:
        chosen |= found
        rest -= found
        at_home |= {tie.source for tie in found}
    return sorted(chosen)


def _ties(entity: str, related: Related, start_ns: int, end_ns: int) -> Iterator[Tie]:
    for kind, told in related.told.items():
        for tie in _spans(entity, kind, told):
            if tie.since_ns < end_ns and tie.until_ns > start_ns and tie.since_ns < tie.until_ns:
                # What comes after a window is not in it, even if it is known already.
                yield tie if tie.until_ns < end_ns else msgspec.structs.replace(tie, until_ns=FOREVER)


def _spans(entity: str, kind: str, told: Iterable[Told]) -> Iterator[Tie]:
    """Go through what was said, and yield the relations with their times."""
    holding: dict[str, Tie] = {}
    for each in told:
        ended = [
            tie
            for tie in holding.values()
            if tie.until_ns <= each.at_ns
            or (each.op == "Replace" and tie.target != each.target)
            or (each.op == "Remove" and tie.target == each.target)
        ]
        for tie in ended:
            del holding[tie.target]
            yield msgspec.structs.replace(tie, until_ns=min(tie.until_ns, each.at_ns))
        if each.op != "Remove":
            known = holding.get(each.target)
            since_ns = known.since_ns if known else each.at_ns
            holding[each.target] = Tie(entity, each.target, kind, since_ns, each.until_ns, each.target_type)
    yield from holding.values()


def _bound(told: list[Told], settled_ns: int) -> None:
    """Forget what no open window looks up; if that is not enough, when relations of long ago began and ended."""
    if len(told) > MAX_SAID:
        told[:] = _settled(told, settled_ns)
    if len(told) > MAX_SAID:
        told[:] = _settled(told, told[len(told) // 2].at_ns)[-MAX_SAID:]


def _settled(told: list[Told], before_ns: int) -> list[Told]:
    """Put what holds at a moment in the place of all that was said before it."""
    past = [each for each in told if each.at_ns < before_ns]
    held = [tie for tie in _spans("", "", past) if tie.until_ns > before_ns]
    kept = [Told(tie.since_ns, "Add", tie.target, tie.target_type, tie.until_ns) for tie in held]
    return sorted(kept) + told[len(past) :]
