"""States: words that hold until another is said. What was said is kept with its times, and windows look it up.

Looking up by time makes the order of arrival indifferent: a word that comes late stands where it belongs.
"""

from bisect import insort
from collections.abc import Iterable
from typing import Final

import msgspec

from edgeglm_agent.decode.observation import Observation

MAX_SAID: Final = 64
"""Of one state, while the windows in which it was said are open."""
MAX_HOLDERS: Final = 4096
"""Entities with states in a partition; beyond it the one that was not heard for longest is forgotten."""


class Said(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A word and the moment from which on it holds."""

    at_ns: int
    word: str


class Holder(msgspec.Struct, array_like=True):
    """An entity with states."""

    type: str
    said: dict[str, list[Said]]
    """Property to what was said of it, in order of time."""


class Held(msgspec.Struct, frozen=True):
    """What a state was in one window."""

    word: str
    """At the end of it."""
    since_ns: int
    before: str
    """At the begin of it; its first word when nothing was said before."""
    changes: tuple[Said, ...] = ()
    """Within it, in order of time. That a word is said for the first time is no change."""


Holders = dict[str, Holder]
States = dict[str, dict[str, Held]]
"""Entity to property to what it was."""


def hold(holders: Holders, observation: Observation, *, late: bool) -> None:
    """Note the words of an observation; what is late counts only where nothing newer is known."""
    holder = holders.pop(observation.entity.id, None) or Holder(observation.entity.type, {})
    holder.type = min(holder.type, observation.entity.type)
    for reading in observation.readings:
        said = holder.said.setdefault(reading.property, [])
        if not late or not said or said[-1].at_ns < observation.event_ns:
            insort(said, Said(observation.event_ns, reading.word))
            _bound(said)
    if len(holders) >= MAX_HOLDERS:
        del holders[next(iter(holders))]
    holders[observation.entity.id] = holder


def states_in(holders: Holders, start_ns: int, end_ns: int) -> States:
    """Return what all states were in a window, as far as they were known by its end."""
    states: States = {}
    for entity in sorted(holders):
        found = {name: _held(said, start_ns, end_ns) for name, said in sorted(holders[entity].said.items())}
        if known := {name: held for name, held in found.items() if held is not None}:
            states[entity] = known
    return states


def take_along(entity: str, there: Holders, here: Holders) -> None:
    """Let an entity's states be known in another partition, too: it was here, and is there."""
    if (known := here.get(entity)) is None:
        return
    moved = there.pop(entity, None) or Holder(known.type, {})
    for name, said in known.said.items():
        moved.said[name] = sorted({*said, *moved.said.get(name, ())})
        _bound(moved.said[name])
    there[entity] = moved


def forget_before(holders: Holders, before_ns: int) -> None:
    """Forget what no window that is still to come looks up; the word that holds by then stays, with its time."""
    for holder in holders.values():
        for name, said in holder.said.items():
            if len(said) > 1 and said[1].at_ns < before_ns:
                past = _runs(each for each in said if each.at_ns < before_ns)
                holder.said[name] = [past[-1], *(each for each in said if each.at_ns >= before_ns)]


def _held(said: list[Said], start_ns: int, end_ns: int) -> Held | None:
    runs = _runs(each for each in said if each.at_ns < end_ns)
    if not runs:
        return None
    changes = tuple(run for run in runs[1:] if run.at_ns >= start_ns)
    return Held(runs[-1].word, runs[-1].at_ns, runs[-len(changes) - 1].word, changes)


def _runs(said: Iterable[Said]) -> list[Said]:
    """Leave out what repeats the word before it."""
    runs: list[Said] = []
    for each in said:
        if not runs or runs[-1].word != each.word:
            runs.append(each)
    return runs


def _bound(said: list[Said]) -> None:
    """Leave out repetitions between two that say the same, so that no change is lost; then the oldest."""
    if len(said) > MAX_SAID:
        words = [each.word for each in said]
        inner = range(1, len(said) - 1)
        repeated = {at for at in inner if words[at - 1] == words[at] == words[at + 1]}
        said[:] = [each for at, each in enumerate(said) if at not in repeated][-MAX_SAID:]
