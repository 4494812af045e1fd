"""The fold of all graphs of a site: one entry of the raw log after the other."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from edgeglm_agent.decode.refused import Reason
from edgeglm_agent.decode.topic import MAX_KNOWN_TOPIC_CHARS, MAX_KNOWN_TOPICS
from edgeglm_agent.findings.obey import Said
from edgeglm_agent.graph.absent import absent_beyond
from edgeglm_agent.graph.loose import MAX_READINGS
from edgeglm_agent.graph.partition import Partition
from edgeglm_agent.graph.relations import Relations
from edgeglm_agent.graph.silence import waits
from edgeglm_agent.identity import rule_digest
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.pipeline import books as entries
from edgeglm_agent.pipeline.allowance import Spent
from edgeglm_agent.pipeline.births import Births, Nodes
from edgeglm_agent.pipeline.books import Books
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.pipeline.dup_tail import DupTail
from edgeglm_agent.pipeline.era import EraState
from edgeglm_agent.pipeline.graph_fold import GraphFold
from edgeglm_agent.pipeline.lanes import Found, Lanes, Read
from edgeglm_agent.pipeline.whereabouts import Whereabouts
from edgeglm_agent.spool.checkpoints import Snapshot
from edgeglm_agent.spool.entry import ClockSet, Connected, Disconnected, Entry, Message, Redriven, Tick
from edgeglm_api.bundle import Bundle, Graph

MAX_REDRIVEN: Final = 4096
"""More than are driven again at once; those of earlier times are out of the table."""
READ_TOGETHER: Final = 64
"""More cost no less each; and what is read beyond a message that closes windows is read again."""
_NOWHERE: Final = ("", "")
"""Graph and source of messages that no source wants."""
RELATIONS: Final = "\x1frelations"
"""The name under which a graph's relations are stored beside its partitions; no partition has it: ids are printable."""
BIRTHS: Final = "\x1fbirths"
"""Likewise what the births of its Sparkplug nodes have defined."""


class FoldState(msgspec.Struct):
    """What belongs to no graph."""

    now_ns: int = 0
    """The arrival time of the last entry."""
    deaf: set[str] = set()
    """Brokers that cannot be heard now: no time goes by for the windows of their graphs."""
    live: dict[str, int] = {}
    """Broker to the connection that began last."""
    redriven: list[int] = []
    """The dead letters that were driven again last: who asks for one twice gets it once."""
    spent: dict[str, dict[str, Spent]] = {}
    """Graph uid to source to what it has brought in its last second."""
    heard: dict[str, dict[str, int]] = {}
    """Graph uid to source and Sparkplug node to the sequence number that was heard last."""


class Fold:
    """State of the whole pipeline. One owner, the ledger's thread."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.books = Books(snapshot.books)
        self.state = msgspec.json.decode(snapshot.fold, type=FoldState) if snapshot.fold else FoldState()
        self.graphs = self._restore(snapshot)
        self.tail = DupTail()
        self.exhumed: list[int] = []
        """The dead letters that were driven again since the last checkpoint."""
        self._commanded: dict[tuple[str, str], list[Graph]] = {}
        """By broker and topic, the graphs that take commands there."""
        self.said: list[Said] = []
        """What came on the command topics of graphs since the last checkpoint."""
        self.at_end = False
        """Whether all that there is was heard, as at the end of a recording: silence then means nothing."""
        self._routes: dict[str, _Routes] = {}
        self._second = self.state.now_ns // NANOS_PER_SECOND
        """The one that the last entry arrived in."""
        self._lanes = Lanes(self._find_lane)

    def apply(self, bundle: Bundle) -> list[Closed]:
        """Take on a bundle: new graphs begin, changed ones cut over, the windows of those that are gone are closed."""
        self._routes.clear()
        self._lanes.clear()
        wanted = {graph.uid: graph for graph in bundle.graphs}
        closed = [
            item for uid in self.graphs.keys() - wanted.keys() for item in self.graphs[uid].flush(self.state.now_ns)
        ]
        for uid, rules in wanted.items():
            closed += self._apply_graph(uid, rules)
        self.graphs = {uid: self.graphs[uid] for uid in wanted}
        self._commanded = {}
        for graph in bundle.graphs:
            if graph.commands is not None:
                self._commanded.setdefault((graph.broker.url, graph.commands.topic), []).append(graph)
        self.state.spent = {uid: spent for uid, spent in self.state.spent.items() if uid in wanted}
        self.state.heard = {uid: heard for uid, heard in self.state.heard.items() if uid in wanted}
        return closed

    def take_some(self, first: int, taken: Sequence[Entry]) -> tuple[int, Sequence[Closed]]:
        """Fold entries in until one of them closes windows; return how many were taken, and those windows."""
        for begin in range(0, len(taken), READ_TOGETHER):
            some = taken[begin : begin + READ_TOGETHER]
            for at, (entry, read) in enumerate(zip(some, self._lanes.read(some), strict=True), start=begin):
                closed = self._take_shortly(first + at, read) if read is not None else None
                if closed is None:
                    closed = self.take(first + at, entry)
                if closed:
                    return at + 1, closed
            for graph in self.graphs.values():
                if graph.loose.readings > MAX_READINGS:
                    graph.settle()
        return len(taken), ()

    def take(self, number: int, entry: Entry) -> list[Closed]:
        """Fold one entry in, and return the windows that it closes."""
        before, self.state.now_ns = self.state.now_ns, entry.arrived_ns
        self._second = entry.arrived_ns // NANOS_PER_SECOND
        closed: list[Closed] = []
        if isinstance(entry, Message):
            closed += self._message(number, entry, self._deliver)
        elif isinstance(entry, Redriven):
            closed += self._redriven(entry)
        else:
            self._notice(entry)
        if before // NANOS_PER_SECOND != self._second:
            for graph in self._heard():
                closed += graph.tick(entry.arrived_ns, misses=not self.at_end)
        return closed

    def settle(self) -> None:
        """Let panes and books be as if all had come the long way: for who looks at them."""
        for graph in self.graphs.values():
            graph.settle()

    def account(self) -> None:
        """Let books, and what is pending, be as if all had come the long way: for who looks at those alone."""
        for graph in self.graphs.values():
            graph.account()

    def forget_absent(self) -> None:
        """Forget who was not heard for longest, as far as too many are remembered; after windows have taught."""
        partitions = {
            (uid, name): each for uid, graph in self.graphs.items() for name, each in graph.partitions.items()
        }
        for (uid, name), absent in absent_beyond(partitions, lambda uid: self.graphs[uid].named).items():
            self.graphs[uid].forget(name, absent)

    def drop(self, first: int, dropped: Sequence[Entry], reason: str) -> list[Closed]:
        """Pass over entries, as the policy of the spool says, and return the windows that are closed all the same.

        What holds until it changes is folded in: it is little, and without it all that follows would be wrong. Time
        stands still meanwhile: who was not listened to was not silent.
        """
        closed: list[Closed] = []
        for number, entry in enumerate(dropped, start=first):
            self.state.now_ns = entry.arrived_ns
            self._second = entry.arrived_ns // NANOS_PER_SECOND
            if isinstance(entry, Message):
                closed += self._message(number, entry, partial(self._drop, reason=reason))
            elif isinstance(entry, Redriven):
                closed += self._redriven(entry)
            else:
                self._notice(entry)
        for graph in self.graphs.values() if dropped else ():
            graph.listen_again(self.state.now_ns)
        return closed

    def recall(self, number: int, entry: Entry) -> None:
        """Take an entry that is folded in already into the tail, as after a restart."""
        if isinstance(entry, Message):
            self.tail.note(number, entry)
        elif isinstance(entry, Connected):
            self.tail.connected(entry)

    def _take_shortly(self, number: int, read: Read) -> Sequence[Closed] | None:
        """Fold a message in by its lane; None, and nothing done, when it has to go the long way."""
        lane, message, said = read
        arrived_ns = message.arrived_ns
        if arrived_ns // NANOS_PER_SECOND != self._second:
            return None  # time goes by for all
        if message.dup and self.tail.has(number, message):
            return None
        closed = lane.take(said, arrived_ns)
        if closed is not None:
            self.state.now_ns = arrived_ns
            self.tail.note(number, message)
        return closed

    def _find_lane(self, topic: str) -> Found:
        routes = self._route(topic)
        if len(routes) != 1 or any(topic == commanded for _, commanded in self._commanded):
            return None, True
        graph, source = routes[0]
        if len(graph.eras) > 1:
            return None, False  # until nothing is open any more that is older than its rules
        return graph.lane(source, topic), True

    def leads_ns(self, since_ns: int) -> list[int]:
        """Return, of each entity since a moment that carries its own time, how far that is ahead of ours.

        Those count as well that are not heard, since they are too far ahead to be believed.
        """
        return [lead_ns for graph in self.graphs.values() for lead_ns in graph.leads_ns(since_ns)]

    def pending(self) -> dict[tuple[str, str], int]:
        """Return graph and source to the number of messages in open panes."""
        pending: dict[tuple[str, str], int] = {}
        for uid, graph in self.graphs.items():
            for source, n in graph.pending():
                pending[uid, source] = pending.get((uid, source), 0) + n
        return pending

    @property
    def windows_to_come(self) -> bool:
        """Whether there are windows that are open, or to be made anew."""
        return any(partition.awaits_time for partition in self._partitions())

    @property
    def awaits_time(self) -> bool:
        """Whether time that goes by may close a window, or open one for somebody who is missed."""
        return any(partition.awaits_time or waits(partition.expected) for partition in self._partitions())

    def _partitions(self) -> Iterator[Partition]:
        return (partition for graph in self.graphs.values() for partition in graph.partitions.values())

    def _restore(self, snapshot: Snapshot) -> dict[str, GraphFold]:
        eras = {uid: body for (uid, name), body in snapshot.partitions.items() if name == ""}
        return {
            uid: self._graph_fold(
                uid,
                msgspec.json.decode(body, type=tuple[EraState, ...]),
                Whereabouts(
                    _relations(snapshot.partitions.get((uid, RELATIONS))),
                    {name: _partition(state) for name, state in _of_graph(snapshot.partitions, uid)},
                ),
                _nodes(snapshot.partitions.get((uid, BIRTHS))),
            )
            for uid, body in eras.items()
        }

    def _graph_fold(self, uid: str, eras: tuple[EraState, ...], whereabouts: Whereabouts, nodes: Nodes) -> GraphFold:
        births = Births(nodes, self.state.heard.setdefault(uid, {}))
        return GraphFold(eras, whereabouts, births, self.books, self.state.spent.setdefault(uid, {}))

    def _apply_graph(self, uid: str, rules: Graph) -> list[Closed]:
        known = self.graphs.get(uid)
        if known is None:
            first = EraState(number=1, from_ns=0, rules=rules)
            self.graphs[uid] = self._graph_fold(uid, (first,), Whereabouts(Relations(), {}), {})
        elif rule_digest(known.rules) != rule_digest(rules):
            return known.cut_over(rules, self.state.now_ns)
        elif known.rules != rules:
            known.replace_rules(rules)
        return []

    def _notice(self, entry: Connected | Disconnected | Tick | ClockSet) -> None:
        if isinstance(entry, Connected):
            self._connected(entry)
        elif isinstance(entry, ClockSet):
            for graph in self.graphs.values():
                graph.listen_again(entry.arrived_ns)
                graph.unbelieved.forget()
        elif isinstance(entry, Disconnected) and entry.connection in {0, self.state.live.get(entry.broker, 0)}:
            self.state.deaf.add(entry.broker)

    def _connected(self, entry: Connected) -> None:
        self.tail.connected(entry)
        self.state.live[entry.broker] = entry.connection
        self.state.deaf.discard(entry.broker)
        for graph in self.graphs.values():
            if graph.rules.broker.url == entry.broker:
                graph.listen_again(entry.arrived_ns)

    def _heard(self) -> list[GraphFold]:
        return [graph for graph in self.graphs.values() if graph.rules.broker.url not in self.state.deaf]

    def _message(self, number: int, message: Message, deliver: "_Deliver") -> list[Closed]:
        routes = self._route(message.topic)
        again = self.tail.has(number, message)
        self.tail.note(number, message)
        if again:
            for uid, source in [(graph.uid, source) for graph, source in routes] or [_NOWHERE]:
                self.books.add(uid, source, entries.RECEIVED)
                self.books.add(uid, source, entries.DUPLICATE)
            return []
        if said := self._commands(message):
            self.said += said
            return []
        if not routes:
            self._unmatched(message)
        return deliver(routes, message)

    def _commands(self, message: Message) -> list[Said]:
        listening = self._commanded.get((message.broker, message.topic), ())
        return [Said(graph.name, graph.uid, graph.commands, message) for graph in listening if graph.commands]

    def _unmatched(self, message: Message) -> None:
        self.books.add(*_NOWHERE, entries.RECEIVED)
        self.books.bury(*_NOWHERE, Reason.UNMATCHED, message)

    def _drop(self, routes: "_Routes", message: Message, *, reason: str) -> list[Closed]:
        closed: list[Closed] = []
        for graph, source in routes:
            if graph.holds(source, message):
                closed += self._deliver([(graph, source)], message)
            else:
                self.books.add(graph.uid, source, entries.RECEIVED)
                self.books.add(graph.uid, source, entries.DROPPED_FROM_SPOOL + reason)
        return closed

    def _deliver(self, routes: "_Routes", message: Message, *, again: bool = False) -> list[Closed]:
        closed: list[Closed] = []
        for graph, source in routes:
            if message.size > len(message.payload):
                graph.refuse(source, message, Reason.TOO_LARGE)
            else:
                closed += graph.take(source, message, again=again)
        return closed

    def _redriven(self, entry: Redriven) -> list[Closed]:
        """Deliver a dead letter once, to whom it was dead for."""
        if entry.seq in self.state.redriven:
            return []
        self.state.redriven = [*self.state.redriven, entry.seq][-MAX_REDRIVEN:]
        self.exhumed.append(entry.seq)
        routes = self._route(entry.message.topic)
        if entry.source:
            routes = [(graph, name) for graph, name in routes if (graph.uid, name) == (entry.graph, entry.source)]
        for uid, source in [(graph.uid, name) for graph, name in routes] or [_NOWHERE]:
            self.books.add(uid, source, entries.REDRIVEN)
        if not routes:
            self._unmatched(entry.message)
        return self._deliver(routes, entry.message, again=True)

    def _route(self, topic: str) -> "_Routes":
        known = self._routes.get(topic)
        if known is None:
            known = self._find_routes(topic)
            if len(self._routes) >= MAX_KNOWN_TOPICS:
                self._routes.clear()
            if len(topic) <= MAX_KNOWN_TOPIC_CHARS:
                self._routes[topic] = known
        return known

    def _find_routes(self, topic: str) -> "_Routes":
        return [
            (graph, name)
            for graph in self.graphs.values()
            for name, reader in graph.eras[-1].readers.items()
            if reader.topic.match(topic) is not None
        ]


_Routes = list[tuple[GraphFold, str]]
"""The graphs that want a message, each with the name of its source."""
_Deliver = Callable[[_Routes, Message], list[Closed]]


def _of_graph(partitions: Mapping[tuple[str, str], bytes], uid: str) -> Iterable[tuple[str, bytes]]:
    others = {"", RELATIONS, BIRTHS}
    return [(name, body) for (graph, name), body in partitions.items() if graph == uid and name not in others]


def _relations(body: bytes | None) -> Relations:
    return msgspec.json.decode(body, type=Relations) if body else Relations()


def _nodes(body: bytes | None) -> Nodes:
    return msgspec.json.decode(body, type=Nodes) if body else {}


def _partition(body: bytes) -> Partition:
    partition = msgspec.json.decode(body, type=Partition)
    if not partition.known:  # as of a release that did not note it
        remembered = partition.baselines.keys() | partition.in_states.keys() | partition.holders.keys()
        partition.known = dict.fromkeys(sorted(remembered), partition.watermark_ns)
    return partition
