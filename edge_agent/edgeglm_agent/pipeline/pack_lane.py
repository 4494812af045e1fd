"""The short way for SenML packs: a hundred readings of a device at once, on the stack of packs like it.

As a lane (`lane.py`) does, it changes nothing until it is certain of all of a pack.
"""

from array import array
from collections.abc import Callable, Sequence
from operator import ge, le
from typing import Final

from edgeglm_agent.decode.observation import Observation
from edgeglm_agent.decode.plain import bounds_of
from edgeglm_agent.decode.plain_pack import Pack, PlainPacks
from edgeglm_agent.decode.senml_source import MAX_KNOWN_NAME_CHARS, SenmlReader, Spoken
from edgeglm_agent.graph.sheet import Target
from edgeglm_agent.graph.stack import Channel, Speaker, Stack, pick_at
from edgeglm_agent.graph.stat import watched
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.pipeline.era import Era
from edgeglm_agent.pipeline.lane import NOTHING, Leading

MAX_NAMES: Final = 4096
"""In all shapes of the packs of one topic. A device has one shape, and those that come of it where a pack is of two
slices of time; a pack with more names goes the long way."""


class _Known:
    """What a name stands for."""

    __slots__ = ("least", "most", "target")

    def __init__(self, spoken: Spoken, *, expected: bool) -> None:
        self.least, self.most = bounds_of(spoken.rules)
        measured = (watched(spoken.rules.property, spoken.rules.limits),)
        self.target = Target(spoken.about, measured, expected=expected)


class _Shape:
    """Packs with the same names in the same order."""

    __slots__ = ("_least", "_most", "channels", "speakers", "stacks")

    def __init__(self, names: Sequence[_Known]) -> None:
        self._least = [known.least for known in names]
        self._most = [known.most for known in names]
        self.channels = [Channel(names[places[0]].target, pick_at(places, len(names))) for places in _places(names, id)]
        speakers = _places(names, lambda known: known.target.key)
        self.speakers = {names[places[0]].target.key: pick_at(places, len(names)) for places in speakers}
        """By the name of the series."""
        self.stacks: dict[int, Stack] = {}
        """By the number of the slice."""

    def admits(self, values: Sequence[float]) -> bool:
        """Tell whether all values are plausible."""
        return all(map(le, self._least, values)) and all(map(ge, self._most, values))


_Key = tuple[str, str, tuple[str, ...]]
"""Base name, unit and the names of the records."""


class PackLane:
    """Valid as long as the rules of its graph are. All that is said on its topic belongs to one partition."""

    reader: Final = PlainPacks()

    def __init__(
        self, era: Era, lead: Callable[[Observation], Leading | None], source: SenmlReader, topic: str
    ) -> None:
        self._era = era
        self._lead = lead
        self._to: Leading | None = None
        """Known once a name is."""
        self._source = source
        self._captures = era.readers[source.source].topic.match(topic) or {}
        self._known: dict[tuple[str, str, str], _Known] = {}
        """By base name, unit and the name of the record."""
        self._shapes: dict[_Key, _Shape] = {}

    def take(self, pack: Pack, arrived_ns: int) -> Sequence[Closed] | None:
        """Fold a pack in, and return the windows that it closes.

        None, and nothing is done, when it has to go the long way.
        """
        extremes = (min(pack.times_ns), max(pack.times_ns))
        if not all(self._era.believes(event_ns, arrived_ns) for event_ns in extremes):
            return None
        parts: list[tuple[Stack, Pack]] = []
        for number, part in pack.by_slice(self._era.slice_ns):
            stack = self._stack(number, part)
            if stack is None:
                return None
            parts.append((stack, part))
        return self._put(parts, arrived_ns)

    def _put(self, parts: Sequence[tuple[Stack, Pack]], arrived_ns: int) -> Sequence[Closed]:
        parts[0][0].messages += 1
        crossed = False
        for stack, part in parts:
            stack.times.append(array("q", part.times_ns))
            stack.rows.append(array("d", part.values))
            for speaker in stack.speakers:
                latest_ns = max(speaker.pick(part.times_ns))
                crossed |= self._era.crosses(speaker.series.hear(latest_ns, arrived_ns), latest_ns)
        if self._to is None:
            return NOTHING
        self._to.loose.readings += sum(len(part.values) for _, part in parts)
        return self._to.advance(arrived_ns) if crossed else NOTHING

    def _stack(self, number: int, part: Pack) -> Stack | None:
        """Return the stack that a pack of one slice is for; None when there is none, or a value is not plausible."""
        key = (part.base_name, part.unit, tuple(part.names))
        shape = self._shapes.get(key)
        if shape is None:
            return self._begin(key, number, part.values)
        if not shape.admits(part.values):
            return None
        return shape.stacks.get(number) or self._open(shape, number)

    def _begin(self, key: _Key, number: int, values: Sequence[float]) -> Stack | None:
        """Open the first stack of packs of a shape. Nobody is remembered who is not heard: strangers invent names."""
        base_name, unit, names = key
        if len(names) > MAX_NAMES:
            return None
        said = {name: self._look_up(base_name, unit, name) for name in dict.fromkeys(names)}
        known = {name: each for name, each in said.items() if each is not None}
        if len(known) < len(said):
            return None
        shape = _Shape([known[name] for name in names])
        stack = self._open(shape, number)
        if stack is None:
            return None
        self._keep(key, shape)
        self._known |= {(base_name, unit, name): each for name, each in known.items()}
        return stack if shape.admits(values) else None

    def _keep(self, key: _Key, shape: _Shape) -> None:
        if sum(len(names) for _, _, names in self._shapes) + len(key[2]) > MAX_NAMES:
            self._shapes.clear()
            self._known.clear()
        self._shapes[key] = shape

    def _look_up(self, base_name: str, unit: str, name: str) -> _Known | None:
        """Look a name up; None when it stands for nothing, or for something of another partition."""
        key = (base_name, unit, name)
        if key in self._known:
            return self._known[key]
        if max(map(len, key)) > MAX_KNOWN_NAME_CHARS:
            return None
        spoken = self._source.spoken(self._captures, base_name + name, unit)
        leading = self._lead(spoken.about) if spoken is not None else None
        if spoken is None or leading is None or (self._to is not None and self._to.name != leading.name):
            return None
        self._to = leading
        return _Known(spoken, expected=spoken.about.source in self._era.expected)

    def _open(self, shape: _Shape, number: int) -> Stack | None:
        found = self._to.find(self._era.number, number, shape.speakers) if self._to is not None else None
        if found is None or self._to is None:
            return None
        pane, heard = found
        speakers = list(map(Speaker, heard, shape.speakers.values()))
        stack = shape.stacks[number] = Stack(pane, speakers, shape.channels, shape.stacks)
        self._to.loose.add(self._to.name, stack)
        return stack


def _places(names: Sequence[_Known], key: Callable[[_Known], object]) -> list[list[int]]:
    """Return, of each kind of name, the places that it has in a pack."""
    places: dict[object, list[int]] = {}
    for at, known in enumerate(names):
        places.setdefault(key(known), []).append(at)
    return list(places.values())
