"""One set of rules of a graph, in force from a window boundary on."""

from typing import Final

import msgspec

from edgeglm_agent.decode.source_reader import SourceReader
from edgeglm_agent.graph.around import told_once
from edgeglm_agent.graph.build import Surroundings
from edgeglm_agent.graph.derive import derivations_of, ways_of
from edgeglm_agent.graph.membership import Membership
from edgeglm_agent.graph.partition import Span
from edgeglm_agent.graph.trend import POINT_SECONDS
from edgeglm_agent.graph.window import Window
from edgeglm_agent.identity import rule_digest
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Kind, Limits, Measurement

MAX_AGE_NS: Final = 7 * 86_400 * NANOS_PER_SECOND
"""Beyond the session expiry: a device whose clock says 1970 must not hold the watermark back for ever."""


class EraState(msgspec.Struct, frozen=True):
    """What of an era is stored."""

    number: int
    from_ns: int
    rules: Graph


class Era:
    """The rules, compiled."""

    def __init__(self, state: EraState) -> None:
        rules = state.rules
        self.state = state
        self.rules = rules
        self.number = state.number
        self.from_ns = state.from_ns
        self.size_ns = rules.window.size_seconds * NANOS_PER_SECOND
        window = rules.window
        self.slice_ns = (window.slide_seconds or window.gap_seconds or window.size_seconds) * NANOS_PER_SECOND
        self.skew_ns = rules.window.max_skew_seconds * NANOS_PER_SECOND
        self.lateness_ns = rules.window.allowed_lateness_seconds * NANOS_PER_SECOND
        self.late_ns = (rules.window.late_within_seconds or 0) * NANOS_PER_SECOND
        """How long after its end a window is open to late readings."""
        self.point_seconds = max(POINT_SECONDS, rules.window.size_seconds)
        """Of a trend; no two points share a reading."""
        self.revises = rules.window.late == "Revise"
        """Whether such a window is made anew."""
        sessions = window.type == "Session"
        self.span = Span(self.slice_ns, self.size_ns, self.from_ns, self.late_ns, sessions)
        self.reach_ns = self.size_ns + self.late_ns + (self.slice_ns if sessions else 0)
        """How far behind the watermark a window may begin that is not closed, or open to late readings."""
        self.digest = rule_digest(rules)
        self.readers = {source.name: SourceReader(source) for source in rules.sources}
        self._kinds = {source.name: source.kind for source in rules.sources}
        self.with_births = frozenset(each.name for each in rules.sources if each.format == "SparkplugB")
        """The sources whose messages can be read by what was born before them alone."""
        self.expected = {each.name: each.expect_every_seconds for each in rules.sources if each.expect_every_seconds}
        """Source to how often it is to be heard, in seconds."""
        self.operating = frozenset(
            each.property for source in rules.sources for each in source.measurements if each.operating_state
        )
        """The states in each word of which something else is usual."""
        self.derivations = derivations_of(rules.derived, rules.sources)
        self.ways = ways_of(self.derivations)
        """The relations that derived properties follow."""
        self.told_once = told_once(rules.sources)
        self.membership = Membership(rules.topology, rules.window.partition_by)
        self.surroundings = Surroundings(
            rules.topology,
            self.membership,
            units=_units(rules),
            limits=limits_of(rules),
            events_per_node=_events_per_node(rules),
        )

    def fresh_from_ns(self, window: Window) -> int:
        """Return the moment since when what a window has is in none before it."""
        return window.start_ns if self.span.sessions else window.end_ns - self.slice_ns

    def kind_of(self, source: str) -> Kind:
        """Return what the messages of a source are."""
        return self._kinds[source]

    def believes(self, event_ns: int, arrived_ns: int) -> bool:
        """Tell whether a device's clock can be right."""
        return -MAX_AGE_NS <= event_ns - arrived_ns <= self.skew_ns

    def crosses(self, before_ns: int, after_ns: int) -> bool:
        """Tell whether a series crosses a slice's border; the watermark matters only there."""
        return (before_ns - self.lateness_ns) // self.slice_ns < (after_ns - self.lateness_ns) // self.slice_ns

    def border_ns(self, event_ns: int) -> int:
        """Return the next moment at which a series that has come so far crosses a border."""
        return ((event_ns - self.lateness_ns) // self.slice_ns + 1) * self.slice_ns + self.lateness_ns

    def holds(self, source: str) -> bool:
        """Tell whether what a source says holds until it says something else."""
        return self._kinds[source] in {"State", "Relation"}


def limits_of(rules: Graph) -> dict[str, Limits]:
    """Return the limits of each property of which the rules say one thing: two sources may differ."""
    said: dict[str, set[Limits]] = {each.property: {each.limits} for each in rules.derived}
    for source in rules.sources:
        for measurement in source.measurements:
            said.setdefault(measurement.property, set()).add(measurement.limits)
    return {name: limits.pop() for name, limits in said.items() if len(limits) == 1}


def _units(rules: Graph) -> dict[str, str]:
    units: dict[str, str] = {}
    for source in rules.sources:
        for measurement in source.measurements:
            units.setdefault(measurement.property, _unit(measurement))
    return units | {each.property: each.unit for each in rules.derived}


def _events_per_node(rules: Graph) -> dict[str, int]:
    return {
        measurement.property: source.limits.events_per_node
        for source in rules.sources
        if source.kind == "Event"
        for measurement in source.measurements
    }


def _unit(measurement: Measurement) -> str:
    return f"{measurement.unit}/s" if measurement.type == "Counter" else measurement.unit
