"""The fold of one graph: observations into partitions, partitions into closed windows."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import islice

import msgspec

from edgeglm_agent.decode.observation import Observation
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.graph.between import BETWEEN
from edgeglm_agent.graph.counter import rated
from edgeglm_agent.graph.lag import Lag
from edgeglm_agent.graph.loose import Loose
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.partition import Partition
from edgeglm_agent.graph.silence import heard_late, newly_missed
from edgeglm_agent.graph.window import Window
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.pipeline import books as entries
from edgeglm_agent.pipeline.allowance import Allowance, Spent
from edgeglm_agent.pipeline.belated import is_due, learn, make_anew
from edgeglm_agent.pipeline.births import LIFE, Births
from edgeglm_agent.pipeline.books import Books
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.pipeline.era import Era, EraState
from edgeglm_agent.pipeline.lane import Lane, Leading
from edgeglm_agent.pipeline.observe import observe
from edgeglm_agent.pipeline.pack_lane import PackLane
from edgeglm_agent.pipeline.unbelieved import MAX_WITNESSES, Unbelieved
from edgeglm_agent.pipeline.whereabouts import Whereabouts
from edgeglm_agent.spool.entry import Message
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Kind, SourceLimits


class GraphFold:
    """State: the eras and the partitions of one graph. Owned by the fold."""

    def __init__(
        self,
        states: tuple[EraState, ...],
        whereabouts: Whereabouts,
        births: Births,
        books: Books,
        spent: dict[str, Spent],
    ) -> None:
        self.eras = [Era(state) for state in states]
        self.whereabouts = whereabouts
        self.partitions = whereabouts.partitions
        self.births = births
        self._allowance = Allowance(spent)
        self._heard = self._count_heard()
        self.touched = whereabouts.touched
        self._books = books
        self.loose = Loose()
        self.unbelieved = Unbelieved()
        self._lag = Lag()

    @property
    def rules(self) -> Graph:
        """The rules that new readings come under."""
        return self.eras[-1].rules

    @property
    def uid(self) -> str:
        """The identity of the graph, which outlives changes of its rules."""
        return self.rules.uid

    @property
    def named(self) -> frozenset[str]:
        """The entities that are known beforehand."""
        return frozenset(node.id for node in self.rules.topology.nodes)

    def take(self, source: str, message: Message, *, again: bool = False) -> list[Closed]:
        """Fold one message of a source in, or one from before again, and return the windows that it closes."""
        self.count(source, entries.RECEIVED)
        if message.retained and not self.eras[-1].holds(source):
            # Retained telemetry is old telemetry: it says nothing about now.
            self.count(source, entries.DROPPED)
            return []
        try:
            # Before it is asked whether the source may say more: what is born here, all that follows is read by.
            of_births = source in self.eras[-1].with_births
            readable = self._readable(source, message, again=again) if of_births else message
            if not self._allowance.admits(source, self._limits(source).readings_per_second, message.arrived_ns):
                self.count(source, entries.DROPPED)
                return []
            return self._take(source, readable)
        except Refused as refusal:
            self._books.bury(self.uid, source, refusal.reason, message)
            return []

    def lane(self, source: str, topic: str) -> Lane | PackLane | None:
        """Return the short way for a topic, valid until the rules change; None when there is none."""
        era = self.eras[-1]
        reader = era.readers[source]
        if reader.packs is not None:
            return PackLane(era, self._leading, reader.packs, topic)
        about = reader.about(topic) if reader.numbers is not None else None
        leading = self._leading(about) if about is not None else None
        if reader.numbers is None or about is None or leading is None:
            return None
        return Lane(era, leading, reader.numbers, about)

    def _leading(self, about: Observation) -> Leading | None:
        """Return where a lane leads; None where relations that come and go decide that."""
        name = self.eras[-1].membership.fixed(about)
        return None if name is None else Leading(name, self.partitions, self.loose, self._advance)

    def settle(self) -> None:
        """Let panes and books be as if all had come the long way."""
        for name in self.loose.partitions:
            self._settle(name)

    def account(self) -> None:
        """Let books, and what is pending, be as if all had come the long way."""
        for name in self.loose.partitions:
            self._account_for(name)

    def listen_again(self, now_ns: int) -> None:
        """Note that the broker can be heard again."""
        for name, partition in self.partitions.items():
            partition.listen_again(now_ns)
            self.touched.add(name)

    def tick(self, now_ns: int, *, misses: bool = True) -> list[Closed]:
        """Let time go by in every partition that has something open, or in which somebody is missed from now on."""
        for name, partition in self.partitions.items():
            if misses and self.eras[-1].expected:
                self._open_for_missed(name, partition, now_ns)
        return [
            closed
            for name, partition in self.partitions.items()
            if partition.awaits_time
            for closed in self._advance(name, partition, now_ns)
        ]

    def cut_over(self, rules: Graph, now_ns: int) -> list[Closed]:
        """Take on changed rules from the next window boundary on; readings before it stay under the old ones.

        Returns the windows that are made anew because their time ends with the old rules.
        """
        last = self.eras[-1]
        boundary = max((self._reach(partition) for partition in self.partitions.values()), default=0)
        from_ns = -(-boundary // last.slice_ns) * last.slice_ns
        self.eras.append(Era(EraState(number=last.number + 1, from_ns=from_ns, rules=rules)))
        self.births.keep(self.eras[-1].with_births)
        self._lag.forget()
        return self._forget_eras(now_ns)

    def replace_rules(self, rules: Graph) -> None:
        """Take on rules that ask the same question, of others or with another destination."""
        state = self.eras[-1].state
        self.eras[-1] = Era(EraState(number=state.number, from_ns=state.from_ns, rules=rules))

    def flush(self, now_ns: int) -> list[Closed]:
        """Close everything that is open: the graph is about to go."""
        closed: list[Closed] = []
        for name, partition in self.partitions.items():
            closed += self._close(name, partition, now_ns, until_ns=2**63 - 1)
            for era in self.eras:
                closed += self._make_anew(name, era, now_ns)
        return closed

    def leads_ns(self, since_ns: int) -> list[int]:
        """Return how far ahead of ours the own time is of each entity that was heard since a moment, or refused for it.

        Of one source no more than may be heard of it: names are easily invented, and must not be voices.
        """
        leads: dict[str, dict[str, int]] = {}
        for partition in self.partitions.values():
            for key, series in partition.series.items():
                source, _, entity = key.partition(BETWEEN)
                if series.arrived_ns >= since_ns and series.event_ns != series.arrived_ns:
                    leads.setdefault(source, {})[entity] = series.event_ns - series.arrived_ns
        for source, refused in self.unbelieved.leads_ns(since_ns).items():
            heard = leads.setdefault(source, {})
            leads[source] = heard | {entity: lead for entity, lead in refused.items() if entity not in heard}
        most = {source.name: source.limits.entities for source in self.rules.sources}
        return [lead for source, each in leads.items() for lead in islice(each.values(), most.get(source))]

    def pending(self) -> Iterator[tuple[str, int]]:
        """Yield source and number of messages for every open pane, and for what is to be made anew."""
        for partition in self.partitions.values():
            for slices in (*partition.panes.values(), *partition.running.values(), *partition.past.values()):
                for pane in slices.values():
                    yield from pane.messages.items()

    def refuse(self, source: str, message: Message, reason: Reason) -> None:
        """Put a message into the books that need not be looked into."""
        self.count(source, entries.RECEIVED)
        self._books.bury(self.uid, source, reason, message)

    def count(self, source: str, entry: str, n: int = 1) -> None:
        """Count for a source of this graph."""
        self._books.add(self.uid, source, entry, n)

    def forget(self, name: str, absent: AbstractSet[str]) -> None:
        """Forget entities of a partition that are not heard now."""
        self.partitions[name].forget(absent)
        self.touched.add(name)
        self.count("", entries.FORGOTTEN + entries.ENTITIES, len(absent))

    def holds(self, source: str, message: Message) -> bool:
        """Tell whether what a message says holds until something else is said: without it, what follows is wrong."""
        era = self.eras[-1]
        return era.holds(source) or (source in era.with_births and message.topic.split("/")[2] in LIFE)

    def _readable(self, source: str, message: Message, *, again: bool) -> Message:
        """Return a message that says the same whatever was said before it."""
        if again:
            return self.births.read_again(source, message)
        readable, missing = self.births.hear(source, message)
        if missing:
            self.count(source, entries.MISSING, missing)
        return readable

    def _take(self, source: str, message: Message) -> list[Closed]:
        observed = observe(self.eras, source, message)
        if not observed.pairs:
            self.count(source, entries.PASSED_OVER)
            return []
        if (limit := self._limits(source).readings_per_second) is not None:
            self._allowance.spend(source, limit, message.arrived_ns, observed.readings)
        refused = list(observed.refused)
        placed: list[_Placed] = []
        for era, observation in observed.pairs:
            try:
                placed.append(self._place(era, observation, message.arrived_ns))
            except Refused as refusal:
                refused.append(refusal.reason)
            else:
                refused += placed[-1].refused
        self._book(source, placed, refused)
        crossed = dict.fromkeys([each.partition for each in placed if each.crossed])
        return [closed for name in crossed for closed in self._advance(name, self.partitions[name], message.arrived_ns)]

    def _place(self, era: Era, observation: Observation, arrived_ns: int) -> "_Placed":
        # By whose word it comes or goes, the entity itself was not heard, and no clock but ours has gone on.
        heard = not observation.holds
        if heard and not self.eras[-1].believes(observation.event_ns, arrived_ns):
            self._disbelieve(observation, arrived_ns)
            raise Refused(Reason.SKEW)
        kind = "State" if observation.holds else era.kind_of(observation.source)
        name = self._note(era, observation) if kind == "Relation" else self.whereabouts.of(era, observation)
        partition = self.whereabouts.partition(name)
        before = self._hear(partition, observation, arrived_ns, rare=kind != "Telemetry") if heard else None
        crossed = self._may_close(before, observation.event_ns)
        number = observation.event_ns // era.slice_ns
        late = (number + 1) * era.slice_ns <= partition.watermark_ns
        kept = partition.late_pane(era.number, number, era.span) if late else None
        if kind == "State":
            self.whereabouts.hold(era, name, observation, late=late and kept is None, now_ns=arrived_ns)
        if late and kept is None:
            return _Placed(name, None, crossed)
        pane = kept or partition.pane(era.number, number)
        if heard and observation.source in era.expected:
            pane.hear(observation)
        refused = _put(kind, observation, pane, partition)
        if not late:
            return _Placed(name, pane, crossed, refused)
        if heard:
            heard_late(partition.expected, observation.source, observation.entity.id, observation.event_ns)
        if era.revises:
            partition.late.revise(era.number, number, era.span.windows, arrived_ns)
            return _Placed(name, pane, crossed, refused)
        partition.late.backfill(era.number, number)
        self.count(observation.source, entries.BACKFILLED)
        return _Placed(name, None, crossed, refused)

    def _disbelieve(self, observation: Observation, arrived_ns: int) -> None:
        source = observation.source
        most = min(self._limits(source).entities, max(MAX_WITNESSES // len(self.rules.sources), 1))
        self.unbelieved.note(source, observation.entity.id, observation.event_ns, arrived_ns, most=most)

    def _open_for_missed(self, name: str, partition: Partition, now_ns: int) -> None:
        """Open a window for whoever is missed: where nobody speaks any more, none would be open to tell it."""
        era = self.eras[-1]
        before_ns = now_ns - self.rules.window.allowed_lateness_seconds * NANOS_PER_SECOND
        for due_ns in newly_missed(partition.expected, before_ns, era.expected):
            self.touched.add(name)
            # When too many are open, one of those will tell it.
            with contextlib.suppress(Refused):
                partition.pane(era.number, max(due_ns, partition.watermark_ns, era.from_ns) // era.slice_ns)

    def _hear(self, partition: Partition, observation: Observation, arrived_ns: int, *, rare: bool) -> int | None:
        source = observation.source
        full = self._heard[source] >= self._limits(source).entities
        if full and not partition.hears(observation):
            raise Refused(Reason.SERIES_LIMIT)
        before = partition.hear(observation, arrived_ns, rare=rare)
        if before is None:
            self._heard[source] += 1
            self._lag.forget()
        return before

    @property
    def _idle_ns(self) -> int:
        return self.rules.window.idle_timeout_seconds * NANOS_PER_SECOND

    def _limits(self, source: str) -> SourceLimits:
        return self.eras[-1].readers[source].source.limits

    def _count_heard(self) -> Counter[str]:
        """Return how many entities of each source are heard, in all partitions."""
        return Counter(source for partition in self.partitions.values() for source in partition.sources_heard())

    def _book(self, source: str, placed: list["_Placed"], refused: list[Reason]) -> None:
        """Put a message into the books once, under the best that became of any part of it."""
        if not placed:
            raise Refused(refused[0])
        homes = [each.pane for each in placed if each.pane is not None]
        late = [entries.LATE] * (len(placed) - len(homes))
        if homes:
            homes[0].count(source)
        else:
            self.count(source, late.pop())
        for reason in (*refused, *late):
            self.count(source, entries.REFUSED_READING + reason)

    def _account_for(self, name: str) -> None:
        for source, messages in self.loose.account(name).items():
            self.count(source, entries.RECEIVED, messages)
            self.touched.add(name)

    def _settle(self, name: str) -> None:
        self._account_for(name)
        self.loose.settle(name)

    def _note(self, era: Era, observation: Observation) -> str:
        name, moved = self.whereabouts.note(era, observation)
        if moved:
            self.settle()  # sheets know the series of those who moved
            self._heard = self._count_heard()
        return name

    def _may_close(self, before: int | None, after: int) -> bool:
        """Tell whether a window may be due because of a series."""
        if before is None or len(self.eras) > 1:
            return True
        return self.eras[-1].crosses(before, after)

    def _advance(self, name: str, partition: Partition, now_ns: int) -> list[Closed]:
        before, heard = partition.watermark_ns, len(partition.series)
        if not self._lag.holds(name, partition, now_ns - self._idle_ns):
            partition.advance(self.rules.window, now_ns, list(self._open_ends(partition)))
            self._lag.note(name, partition)
        if len(partition.series) < heard:
            self._settle(name)
            self._heard = self._count_heard()
        closed: list[Closed] = []
        if partition.watermark_ns > before:
            closed = self._close(name, partition, now_ns, until_ns=partition.watermark_ns)
        return closed + self._look_back(name, partition, now_ns)

    def _close(self, name: str, partition: Partition, now_ns: int, *, until_ns: int) -> list[Closed]:
        if any(end_ns <= until_ns for end_ns in self._open_ends(partition)):
            self._settle(name)
        closed = [
            self._closed(window, era, partition)
            for era in self.eras
            for window in partition.close(name, era.number, era.span, until_ns=until_ns)
        ]
        self._count_windowed(closed)
        reach_ns = max(era.reach_ns for era in self.eras)
        self.whereabouts.forget_before(self.eras[-1], name, until_ns - reach_ns)
        self.touched.add(name)
        closed += self._forget_eras(now_ns)
        partition.forget_past(era.number for era in self.eras)
        return closed

    def _closed(self, window: Window, era: Era, partition: Partition) -> Closed:
        partition.remember(window)  # before those join it who are only missed, or known by what holds
        whole = self.whereabouts.derive(self.whereabouts.close(window, era), era)
        whole = msgspec.structs.replace(whole, held=partition.breach(era.number, whole.pane))
        made = partition.late.made.get(era.number, {}).get(window.end_ns // era.slice_ns - 1)
        if made is not None:
            made.silent, made.held = whole.silent, whole.held
        return Closed(whole, era, partition, made)

    def _count_windowed(self, closed: list[Closed]) -> None:
        for item in closed:
            for source, n in item.window.pane.messages.items():
                self.count(source, entries.WINDOWED, n)

    def _look_back(self, name: str, partition: Partition, now_ns: int) -> list[Closed]:
        """Make windows anew that late readings came for, and be done with those whose time is over."""
        closed: list[Closed] = []
        for era in self.eras:
            if not era.late_ns:
                continue
            partition.bound_late(era.number, era.span)
            if is_due(partition, era, now_ns):
                closed += self._make_anew(name, era, now_ns)
            if given_up := learn(name, self.whereabouts, era, partition.final(era.number, era.span)):
                self.count("", entries.GIVEN_UP, given_up)
        return closed

    def _make_anew(self, name: str, era: Era, now_ns: int) -> list[Closed]:
        made = make_anew(name, self.whereabouts, era, now_ns)
        self._count_windowed(made)
        if made:
            self.touched.add(name)
        return made

    def _open_ends(self, partition: Partition) -> Iterator[int]:
        slices_ns = {era.number: era.slice_ns for era in self.eras}
        for era, slices in partition.panes.items():
            yield from ((number + 1) * slices_ns[era] for number in slices)
        # A session ends with the slice after its last, if nothing is heard in that.
        yield from ((max(slices) + 2) * slices_ns[era] for era, slices in partition.running.items())

    def _reach(self, partition: Partition) -> int:
        return max([partition.watermark_ns, *self._open_ends(partition)])

    def _forget_eras(self, now_ns: int) -> list[Closed]:
        """Drop old rules under which nothing is open any more; the time for late readings ends with them."""
        closed: list[Closed] = []
        used = {era for partition in self.partitions.values() for era in (*partition.panes, *partition.running)}
        while len(self.eras) > 1 and self.eras[0].number not in used:
            era = self.eras[0]
            for name, partition in self.partitions.items():
                closed += self._make_anew(name, era, now_ns)
                learn(name, self.whereabouts, era, sorted(partition.late.made.get(era.number, {})))
            del self.eras[0]
        return closed


class _Placed(msgspec.Struct, frozen=True):
    """Where one observation went."""

    partition: str
    pane: Pane | None
    """None when it came too late."""
    crossed: bool
    """Whether a window may be due because of it."""
    refused: list[Reason] = []


def _put(kind: Kind, observation: Observation, pane: Pane, partition: Partition) -> list[Reason]:
    """Put into a pane what an observation says, and return why parts of it could not be used."""
    if kind == "Relation":
        # Which windows have it depends on where it leads then, which may not all be known yet.
        return []
    if kind == "Event":
        pane.happen(observation)
        return []
    rates, refused = rated(observation, partition.counters)
    pane.add(rates)
    return refused
