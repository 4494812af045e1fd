"""The short way for SenML packs: a hundred readings of a device at once, each to the sheet of its series.

As a lane (`lane.py`) does, it changes nothing until it is certain of all of a pack.
"""

from collections.abc import Callable, Sequence
from typing import Final

from edgeglm_agent.decode.observation import Observation
from edgeglm_agent.decode.plain import bounds_of
from edgeglm_agent.decode.plain_pack import Pack, PlainPacks
from edgeglm_agent.decode.senml_source import MAX_KNOWN_NAME_CHARS, SenmlReader, Spoken
from edgeglm_agent.graph.sheet import Sheet, Strip, Target
from edgeglm_agent.graph.stat import watched
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.pipeline.era import Era
from edgeglm_agent.pipeline.lane import NOTHING, Leading

MAX_CHANNELS: Final = 1024
"""Of one topic: what a device says again and again. Who says more names goes the long way."""


class _Channel:
    """What a name stands for."""

    __slots__ = ("least", "most", "sheets", "target")

    def __init__(self, spoken: Spoken, *, expected: bool) -> None:
        self.least, self.most = bounds_of(spoken.rules)
        self.target = Target(spoken.about, (watched(spoken.rules.property, spoken.rules.limits),), expected=expected)
        self.sheets: dict[int, Sheet] = {}
        """By the number of the slice."""


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
        self._channels: dict[tuple[str, str], dict[str, _Channel]] = {}
        """By base name and unit, then by the name of the record."""
        self._known = 0

    def take(self, pack: Pack, arrived_ns: int) -> Sequence[Closed] | None:
        """Fold a pack in, and return the windows that it closes.

        None, and nothing is done, when it has to go the long way.
        """
        sheets = self._sheets(pack, arrived_ns)
        if sheets is None or self._to is None:
            return None
        for sheet, event_ns, value in zip(sheets, pack.times_ns, pack.values, strict=True):
            sheet.times.append(event_ns)
            sheet.rows.append(value)
        sheets[0].messages += 1
        self._to.loose.readings += len(sheets)
        crossed = self._heard(sheets, pack.times_ns, arrived_ns)
        return self._to.advance(arrived_ns) if crossed else NOTHING

    def _sheets(self, pack: Pack, arrived_ns: int) -> list[Sheet] | None:
        """Return the sheet of each reading; None when one of them has none."""
        era, channels = self._era, self._channels.get((pack.base_name, pack.unit), {})
        sheets: list[Sheet] = []
        for name, event_ns, value in zip(pack.names, pack.times_ns, pack.values, strict=True):
            channel = channels.get(name) or self._learn(pack, name)
            if channel is None or not channel.least <= value <= channel.most:
                return None
            number = event_ns // era.slice_ns
            sheet = channel.sheets.get(number) or self._open(channel, number)
            if sheet is None:
                return None
            sheets.append(sheet)
        extremes = (min(pack.times_ns), max(pack.times_ns))
        return sheets if all(era.believes(event_ns, arrived_ns) for event_ns in extremes) else None

    def _heard(self, sheets: Sequence[Sheet], times_ns: Sequence[int], arrived_ns: int) -> bool:
        """Note how far all series have come, and tell whether one crossed a border; a device has one, mostly."""
        crossed = False
        said = zip(sheets, times_ns, strict=True)
        for (_, event_ns), series in {(id(sheet.series), at): sheet.series for sheet, at in said}.items():
            crossed |= self._era.crosses(series.hear(event_ns, arrived_ns), event_ns)
        return crossed

    def _learn(self, pack: Pack, name: str) -> _Channel | None:
        """Look a name up; None when it stands for nothing, or for something of another partition."""
        if self._known >= MAX_CHANNELS or max(map(len, (pack.base_name, pack.unit, name))) > MAX_KNOWN_NAME_CHARS:
            return None
        spoken = self._source.spoken(self._captures, pack.base_name + name, pack.unit)
        leading = self._lead(spoken.about) if spoken is not None else None
        if spoken is None or leading is None or (self._to is not None and self._to.name != leading.name):
            return None
        self._to, self._known = leading, self._known + 1
        channel = _Channel(spoken, expected=spoken.about.source in self._era.expected)
        self._channels.setdefault((pack.base_name, pack.unit), {})[name] = channel
        return channel

    def _open(self, channel: _Channel, number: int) -> Sheet | None:
        if self._to is None:
            return None
        return self._to.open(Strip, self._era.number, number, channel.target, channel.sheets)
