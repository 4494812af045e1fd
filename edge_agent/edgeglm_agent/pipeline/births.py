"""What the births of Sparkplug nodes and devices have defined: which name an alias stands for, and who is there.

A node says its metrics' names once, at birth, and aliases from then on; its will says when it is gone. So the format
has a memory, and this is it, the one state of all reading. It is part of the checkpoint: a restart forgets no alias.

What is not born cannot be read. A host may ask a node for a rebirth, but that is a command to the site's machines,
which is for people to give: here it is refused with its reason.
"""

from collections.abc import Collection
from typing import Final

import msgspec

from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.decode.sparkplug import (
    OFFLINE,
    ONLINE,
    Address,
    Change,
    Metric,
    Payload,
    Telling,
    Told,
    address_of,
    meant,
    parser,
)
from edgeglm_agent.spool.entry import Message

LIFE: Final = frozenset({"NBIRTH", "NDEATH", "DBIRTH", "DDEATH"})
"""The kinds of messages that all others are read by."""
MAX_NODES: Final = 1024
"""Of one source; of more, one that is dead is forgotten."""
MAX_METRICS: Final = 65_536
"""Of one source that are defined at the same time, over all of its nodes and devices."""
_BD_SEQ: Final = "bdSeq"
"""The metric by which a will says which birth it belongs to."""
_TURN: Final = 256
"""Sequence numbers go from 0 to 255 and begin anew."""
_ITSELF: Final = ""


class Born(msgspec.Struct, array_like=True):
    """What a birth has defined, of a node itself or of a device."""

    datatypes: dict[str, int]
    """By the names of its metrics."""
    aliases: dict[int, str]


class Node(msgspec.Struct, array_like=True):
    """An edge node. One that is dead is kept for the order of its births and deaths."""

    session: int | None = None
    born: dict[str, Born] = {}
    """By device; the node's own under the empty name."""
    changed_ns: int = 0


Nodes = dict[str, dict[str, Node]]
"""Source to group and node to what is known of it."""


class Births:
    """Owner of what is born in one graph."""

    def __init__(self, nodes: Nodes, heard: dict[str, int]) -> None:
        self.nodes = nodes
        self._heard = heard
        """Source and node to the sequence number that came last; it changes with each message, and is stored apart."""
        self.changed = False
        """Whether anything was defined, or is gone, since the last checkpoint."""

    def hear(self, source: str, message: Message) -> tuple[Message, int]:
        """Take a message in; return what it tells without aliases, and how many are missing before it.

        Raises Refused when it cannot be read.
        """
        address, payload = address_of(message.topic), parser()(message.payload)
        if address.kind.endswith("BIRTH"):
            changes = self._birth(source, address, payload, message.arrived_ns)
        elif address.kind.endswith("DEATH"):
            changes = self._death(source, address, payload, message.arrived_ns)
        else:
            changes = ()
        return self._telling(source, address, payload, message, changes), self._missing(source, address, payload.seq)

    def read_again(self, source: str, message: Message) -> Message:
        """Return what a message from before tells by what is born now, and learn nothing from it."""
        address, payload = address_of(message.topic), parser()(message.payload)
        return self._telling(source, address, payload, message, ())

    def keep(self, sources: Collection[str]) -> None:
        """Forget what sources that are gone have heard."""
        for gone in self.nodes.keys() - set(sources):
            del self.nodes[gone]
            self.changed = True
        for key in [key for key in self._heard if key.partition("/")[0] not in sources]:
            del self._heard[key]

    def _missing(self, source: str, address: Address, seq: int | None) -> int:
        """Note a sequence number, and return how many are missing before it; a birth of the node begins anew."""
        if address.kind == "NDEATH" or seq is None or seq >= _TURN or address.node not in self.nodes.get(source, {}):
            return 0
        key = f"{source}/{address.node}"
        last, self._heard[key] = self._heard.get(key), seq
        return 0 if last is None or address.kind == "NBIRTH" else (seq - last - 1) % _TURN

    def _birth(self, source: str, address: Address, payload: Payload, now_ns: int) -> tuple[Change, ...]:
        node = self.nodes.get(source, {}).get(address.node) or Node()
        born = Born(
            {each.name: each.datatype for each in payload.metrics if each.name},
            {each.alias: each.name for each in payload.metrics if each.name and each.alias is not None},
        )
        # A node that is born has no devices yet, whatever it had before.
        known = {} if address.kind == "NBIRTH" else node.born
        others = {name: it for name, it in known.items() if name != address.device}
        self._bound(source, address.node, node, sum(len(it.datatypes) for it in (born, *others.values())))
        if address.kind == "NBIRTH":
            node.session = _session(payload)
        node.born = {**others, address.device: born}
        self.nodes[source][address.node] = node
        return (self._change(node, address.device, born, ONLINE, now_ns),)

    def _bound(self, source: str, name: str, node: Node, metrics: int) -> None:
        """Refuse a birth that would be too much to remember."""
        nodes = self.nodes.setdefault(source, {})
        others = sum(len(it.datatypes) for each in nodes.values() if each is not node for it in each.born.values())
        if others + metrics > MAX_METRICS:
            raise Refused(Reason.SERIES_LIMIT)
        if name in nodes or len(nodes) < MAX_NODES:
            return
        dead = next((each for each, it in nodes.items() if not it.born), None)
        if dead is None:
            raise Refused(Reason.SERIES_LIMIT)
        del nodes[dead]
        self._heard.pop(f"{source}/{dead}", None)

    def _death(self, source: str, address: Address, payload: Payload, now_ns: int) -> tuple[Change, ...]:
        node = self.nodes.get(source, {}).get(address.node)
        if node is None:
            return ()
        if address.kind == "DDEATH":
            gone = {address.device: node.born.pop(address.device)} if address.device in node.born else {}
        elif node.session is not None and _session(payload) not in {node.session, None}:
            return ()  # the will of a session before this one, which the broker noticed late
        else:
            gone, node.born = node.born, {}
        return tuple(self._change(node, device, born, OFFLINE, now_ns) for device, born in gone.items())

    def _change(self, node: Node, device: str, born: Born, word: str, now_ns: int) -> Change:
        """Return a change, by our clock: of two in one moment, the later one holds."""
        self.changed = True
        node.changed_ns = max(now_ns, node.changed_ns + 1)
        return Change(device, tuple(born.datatypes), word, node.changed_ns)

    def _telling(
        self, source: str, address: Address, payload: Payload, message: Message, changes: tuple[Change, ...]
    ) -> Message:
        told: tuple[Told, ...] = ()
        if not address.kind.endswith("DEATH"):
            node = self.nodes.get(source, {}).get(address.node)
            born = (node and node.born.get(address.device)) or Born({}, {})
            told = tuple(_told(address, each, born, payload.time_ms) for each in payload.metrics)
        body = msgspec.msgpack.encode(Telling(told, changes))
        return msgspec.structs.replace(message, payload=body, size=len(body))


def _session(payload: Payload) -> int | None:
    said = next((each.value for each in payload.metrics if each.name == _BD_SEQ), None)
    return said if type(said) is int else None


def _told(address: Address, metric: Metric, born: Born, time_ms: int | None) -> Told:
    name = metric.name or born.aliases.get(-1 if metric.alias is None else metric.alias, "")
    own_ms = metric.time_ms if metric.historical or metric.time_ms is not None else time_ms
    told = Told(address.device, name, None, own_ms)
    try:
        return msgspec.structs.replace(told, value=_value(metric, name, born))
    except Refused as refusal:
        return msgspec.structs.replace(told, refused=refusal.reason.value)


def _value(metric: Metric, name: str, born: Born) -> bool | int | float | str | None:
    # What is of before must say when that was, or it would pass for what is.
    if metric.historical and metric.time_ms is None:
        raise Refused(Reason.TIMESTAMP)
    datatype = born.datatypes.get(name)
    if datatype is None:
        raise Refused(Reason.UNBORN)
    if not metric.good:
        raise Refused(Reason.BAD_QUALITY)
    return None if metric.value is None else meant(metric.value, datatype or metric.datatype)
