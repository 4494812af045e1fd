"""One partition of one graph: its panes, its watermark, and what it has learned. The unit of ordering.

The watermark is the least event time over the series that are still heard, less the allowed lateness. A series that
was silent for longer than the idle timeout no longer holds it back, nor does one that speaks only when something
happens while others can be heard: its silence means nothing. When none is heard at all, the arrival clock
closes what is open; that clock is the one in the raw log, so a replay closes the same windows at the same records.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from edgeglm_agent.decode.observation import Observation
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.graph.baseline import Baseline
from edgeglm_agent.graph.between import BETWEEN
from edgeglm_agent.graph.counter import Count, counted
from edgeglm_agent.graph.detect import Baselines, learned
from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.graph.hysteresis import Breaching, Holdings, go_on
from edgeglm_agent.graph.late import MAX_KEPT_PANES, Late, Made, newest_beyond
from edgeglm_agent.graph.operating import InStates, operating_in, put_back, usual_in
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.silence import Expectations, begin_anew
from edgeglm_agent.graph.state import Holders
from edgeglm_agent.graph.trend import Tracks, follow
from edgeglm_agent.graph.window import Window
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_api.sensor_graph import Window as WindowRules

MAX_OPEN_PANES: Final = 4096
MAX_SERIES: Final = 4096
_BEGINNING: Final = 0


class Series(msgspec.Struct, array_like=True):
    """How far one entity has come in one source."""

    event_ns: int
    arrived_ns: int
    rare: bool = False
    """Whether it speaks only when something happens."""

    def hear(self, event_ns: int, arrived_ns: int) -> int:
        """Note how far it has come, and return how far it was before."""
        before = self.event_ns
        if event_ns > before:
            self.event_ns = event_ns
        if arrived_ns > self.arrived_ns:  # noqa: PLR1730 - max() takes twice as long, and this is done for each message
            self.arrived_ns = arrived_ns
        return before


class Quiet(msgspec.Struct, array_like=True):
    """The quiet windows since this partition last said anything."""

    count: int = 0
    start_ns: int = 0


class Span(msgspec.Struct, frozen=True):
    """The slices of an era and the windows that they make; the first may begin in the middle, where the era does."""

    slice_ns: int
    size_ns: int
    """Of a window, one slice or more of them."""
    from_ns: int
    late_ns: int
    """How long after its end a window is open to late readings."""
    sessions: bool = False
    """Whether a window is a run of slices, at most `size_ns` of them, and the first empty one ends it."""

    @property
    def windows(self) -> int:
        """In how many windows a slice is; of how many slices a window is, at most."""
        return self.size_ns // self.slice_ns


class Partition(msgspec.Struct):
    """All state of a partition; stored whole with each checkpoint, and owned by the fold."""

    watermark_ns: int = _BEGINNING
    series: dict[str, Series] = {}
    known: dict[str, int] = {}
    """Everybody of whom anything below is kept, and the end of the last window that heard of them."""
    panes: dict[int, dict[int, Pane]] = {}
    """Era to number of the slice to pane."""
    past: dict[int, dict[int, Pane]] = {}
    """Likewise those that are closed, and in windows that are still to come, or open to late readings."""
    running: dict[int, dict[int, Pane]] = {}
    """Likewise those that are closed, and in a session that may go on."""
    late: Late = msgspec.field(default_factory=Late)
    baselines: dict[str, dict[str, Baseline]] = {}
    """What is usual for entities that have no operating state."""
    in_states: InStates = {}
    """What is usual for the others."""
    tracks: Tracks = msgspec.field(default_factory=Tracks)
    counters: dict[str, Count] = {}
    """The one heard last is the last one."""
    holders: Holders = {}
    """So are these."""
    breaching: Breaching = Breaching()
    expected: Expectations = {}
    told_ns: int = 0
    """The end of the last window that was asked about or answered."""
    quiet: Quiet = msgspec.field(default_factory=Quiet)

    def hear(self, observation: Observation, arrived_ns: int, *, rare: bool = False) -> int | None:
        """Note how far a series has come, and return how far it was before; None when it is new.

        Raises Refused when there are too many series already.
        """
        key = series_key(observation)
        known = self.series.get(key)
        if known is None:
            if len(self.series) >= MAX_SERIES:
                raise Refused(Reason.SERIES_LIMIT)
            self.series[key] = Series(observation.event_ns, arrived_ns, rare)
            return None
        return known.hear(observation.event_ns, arrived_ns)

    def remember(self, window: Window) -> None:
        """Note who was heard of in a window."""
        for entity in window.pane.entities:
            self.known[entity] = max(self.known.get(entity, 0), window.end_ns)

    def forget(self, gone: AbstractSet[str]) -> None:
        """Forget all that is known of entities that are not heard."""
        of_entities: tuple[dict[str, Any], ...] = (
            *(self.known, self.baselines, self.in_states, self.tracks.series, self.holders),
            *self.expected.values(),
        )
        for each in of_entities:
            for entity in gone & each.keys():
                del each[entity]
        going_on = {entity: held for entity, held in self.breaching.series.items() if entity not in gone}
        self.breaching = Breaching(self.breaching.era, going_on)
        self.counters = {key: count for key, count in self.counters.items() if counted(key) not in gone}

    def listen_again(self, now_ns: int) -> None:
        """Let every series' silence begin anew: while we could not hear, theirs was not silence.

        The clock may have been set back since.
        """
        for series in self.series.values():
            series.arrived_ns = now_ns
        self.late.due_by(now_ns)
        begin_anew(self.expected, now_ns)

    @property
    def heard(self) -> set[str]:
        """Return the entities that are heard."""
        return {key.partition(BETWEEN)[2] for key in self.series}

    def leave(self, entity: str) -> None:
        """Let an entity that went elsewhere no longer hold the watermark back, nor be missed."""
        self.miss_no_more(entity)
        for key in [key for key in self.series if key.partition(BETWEEN)[2] == entity]:
            del self.series[key]

    def miss_no_more(self, entity: str) -> None:
        """Wait no longer for an entity."""
        for waited in self.expected.values():
            waited.pop(entity, None)

    def hears(self, observation: Observation) -> bool:
        """Tell whether the entity of an observation is heard already."""
        return series_key(observation) in self.series

    def sources_heard(self) -> Iterator[str]:
        """Yield the source of each entity that is heard."""
        return (key.partition(BETWEEN)[0] for key in self.series)

    def advance(self, rules: WindowRules, now_ns: int, open_ends: Iterable[int]) -> None:
        """Move the watermark as far as the series that are heard allow; never back.

        When none is heard, the clock closes the panes that are open and moves the watermark no further than that: a
        buffer that is sent after an outage is then still in time.
        """
        idle_before = now_ns - rules.idle_timeout_seconds * NANOS_PER_SECOND
        for key in [key for key, series in self.series.items() if series.arrived_ns < idle_before]:
            del self.series[key]
        lateness = rules.allowed_lateness_seconds * NANOS_PER_SECOND
        if self.series:
            steady = [series for series in self.series.values() if not series.rare]
            reached = min(series.event_ns for series in steady or self.series.values()) - lateness
        else:
            reached = max((end for end in open_ends if end <= now_ns - lateness), default=self.watermark_ns)
        self.watermark_ns = max(self.watermark_ns, reached)

    @property
    def awaits_time(self) -> bool:
        """Whether time that goes by may close a window, or make one anew."""
        return self.is_open or any(self.late.due.values())

    @property
    def is_open(self) -> bool:
        """Whether a window is open."""
        return bool(self.panes or self.running)

    @property
    def open_panes(self) -> int:
        """How many panes wait for the watermark."""
        return sum(len(slices) for slices in self.panes.values())

    def pane(self, era: int, number: int) -> Pane:
        """Return the pane of a slice, made when missing; raises Refused when too many are open."""
        slices = self.panes.setdefault(era, {})
        if number not in slices:
            if self.open_panes >= MAX_OPEN_PANES:
                raise Refused(Reason.SERIES_LIMIT)
            slices[number] = Pane()
        return slices[number]

    def late_pane(self, era: int, number: int, span: Span) -> Pane | None:
        """Return the pane of a closed slice, made when missing; None when nothing late is taken for it any more."""
        if (number + 1) * span.slice_ns <= max(self._taken_from_ns(span), span.from_ns):
            return None
        slices = self.past.setdefault(era, {})
        if number not in slices:
            if len(slices) >= MAX_KEPT_PANES:
                return None
            slices[number] = Pane()
        return slices[number]

    def close(self, name: str, era: int, span: Span, *, until_ns: int) -> list[Window]:
        """Take out the panes of an era that end by then, as windows, oldest first."""
        slices = self.panes.get(era, {})
        due = sorted(number for number in slices if (number + 1) * span.slice_ns <= until_ns)
        if span.sessions:
            windows = self._end(name, era, span, due, until_ns=until_ns)
        else:
            windows = [self._close(name, era, span, number) for number in due]
        if not slices:
            self.panes.pop(era, None)
        return windows

    def window(self, name: str, era: int, span: Span, number: int) -> Window:
        """Return the window that ends with a closed slice: it and those before it, as far as one reaches."""
        end_ns = (number + 1) * span.slice_ns
        start_ns = max(end_ns - span.size_ns, span.from_ns)
        whole = Pane()
        for at, pane in self.past.get(era, {}).items():
            if at <= number and (at + 1) * span.slice_ns > start_ns:
                whole.merge(pane)
                # Its messages are told with the first window that has it.
                pane.messages = {}
        return Window(name, start_ns, end_ns, whole)

    def breach(self, era: int, pane: Pane) -> Holdings:
        """Return the breaches that go on at the begin of a window, and note which do after it."""
        held = self.breaching.series if self.breaching.era == era else {}
        self.breaching = Breaching(era, go_on(pane, held))
        return held

    def usual(self, window: Window, operating: frozenset[str]) -> Baselines:
        """Return what is usual in the operating states of a window, which these states tell."""
        return usual_in(operating_in(window.states, operating), self.baselines, self.in_states)

    def learn(
        self,
        window: Window,
        operating: frozenset[str],
        evidence: tuple[Evidence, ...],
        *,
        since_ns: int,
        point_seconds: int,
    ) -> None:
        """Let a window teach what is usual in its operating states and where series are going, each slice once.

        Before `since_ns` its slices are in windows before it. What is usual stays as it is for series with evidence.
        Their trends go on: they tell how it came to that.
        """
        now = operating_in(window.states, operating)
        usual = usual_in(now, self.baselines, self.in_states)
        after = learned(window.pane, usual, evidence, since_ns=since_ns)
        self.baselines = put_back(now, after, self.in_states)
        self.tracks = follow(
            self.tracks, window.pane, point_seconds=point_seconds, end_ns=window.end_ns, since_ns=since_ns
        )

    def bound_late(self, era: int, span: Span) -> None:
        """Give up the oldest of what is kept for late readings, as far as that is too much."""
        beyond = newest_beyond(self.past.get(era, {})) if span.late_ns else None
        if beyond is not None:
            self.late.given_up_ns = max(self.late.given_up_ns, (beyond + 1) * span.slice_ns)

    def final(self, era: int, span: Span) -> list[int]:
        """Return the windows whose time for late readings is over, oldest first."""
        before_ns = self._taken_from_ns(span)
        return sorted(number for number in self.late.made.get(era, {}) if (number + 1) * span.slice_ns <= before_ns)

    def finish(self, name: str, era: int, span: Span, numbers: Iterable[int]) -> list[Window]:
        """Return windows as they are for good, and forget the panes that no other reaches."""
        made = self.late.made.get(era, {})
        windows = [
            msgspec.structs.replace(self.window(name, era, span, number), held=made.pop(number).held)
            for number in numbers
        ]
        self._forget(era, span, self._taken_from_ns(span) - span.size_ns + span.slice_ns)
        return windows

    def forget_past(self, eras: Iterable[int]) -> None:
        """Keep the closed panes of these eras only."""
        for era in self.past.keys() - set(eras):
            del self.past[era]
            self.late.made.pop(era, None)

    def _close(self, name: str, era: int, span: Span, number: int) -> Window:
        """Take a pane out, and return the window that ends with it."""
        pane, end_ns = self.panes[era].pop(number), (number + 1) * span.slice_ns
        if span.slice_ns == span.size_ns and not span.late_ns:
            return Window(name, max(end_ns - span.size_ns, span.from_ns), end_ns, pane)
        self.past.setdefault(era, {})[number] = pane
        window = self.window(name, era, span, number)
        if span.late_ns:
            self.late.made.setdefault(era, {})[number] = Made()
        else:
            self._forget(era, span, window.start_ns)
        return window

    def _end(self, name: str, era: int, span: Span, due: Iterable[int], *, until_ns: int) -> list[Window]:
        """Take out panes, and return the sessions that end by then.

        Which slices are in one follows from those before it alone, which nothing changes any more.
        """
        running = self.running.setdefault(era, {})
        running.update({number: self.panes[era].pop(number) for number in due})
        windows: list[Window] = []
        while running:
            session = run_of(running, span.windows)
            first, last = session[0], session[-1]
            if len(session) < span.windows and (last + 2) * span.slice_ns > until_ns:
                return windows
            whole = Pane()
            for number in session:
                whole.merge(running.pop(number))
            start_ns, end_ns = max(first * span.slice_ns, span.from_ns), (last + 1) * span.slice_ns
            windows.append(Window(name, start_ns, end_ns, whole))
        del self.running[era]
        return windows

    def _taken_from_ns(self, span: Span) -> int:
        """Return the moment until which a slice has to end at least, to be open to late readings."""
        return max(self.watermark_ns - span.late_ns, self.late.given_up_ns)

    def _forget(self, era: int, span: Span, before_ns: int) -> None:
        slices = self.past.get(era, {})
        for number in [number for number in slices if (number + 1) * span.slice_ns <= before_ns]:
            del slices[number]


def run_of(numbers: Iterable[int], most: int) -> list[int]:
    """Return the least of some numbers and those that follow it one by one, so many at most."""
    run: list[int] = []
    for number in sorted(numbers):
        if len(run) == most or (run and number != run[-1] + 1):
            break
        run.append(number)
    return run


def series_key(observation: Observation) -> str:
    """Return the name under which a partition knows the series of an observation."""
    return f"{observation.source}{BETWEEN}{observation.entity.id}"
