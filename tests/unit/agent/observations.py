"""Small builders for the pure parts."""

from typing import Any

import msgspec

from edgeglm_agent.decode.observation import Entity, Observation, Reading, Relation
from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.graph.model import Edge, EntityGraph, Measured, Node
from edgeglm_agent.spool.entry import Message
from edgeglm_api.sensor_graph import Limits

SECOND = 1_000_000_000
ALARMS = Limits(high=7.1, high_high=11.0)


def an_observation(
    rms: float = 2.0, *, at: float = 100.0, machine: str = "m1", line: str = "l1", source: str = "vibration"
) -> Observation:
    return Observation(
        source=source,
        entity=Entity(id=machine, type="Machine"),
        event_ns=round(at * SECOND),
        readings=(Reading("rms", rms, ALARMS),),
        relations=(Relation("partOf", Entity(id=line, type="Line")),),
    )


def a_word(name: str, word: str, *, at: float, machine: str = "m1") -> Observation:
    return Observation(
        source="mode",
        entity=Entity(id=machine, type="Machine"),
        event_ns=round(at * SECOND),
        readings=(Reading(name, 0.0, Limits(), word=word),),
    )


def a_message(rms: float = 2.0, *, at: float, arrived: float | None = None, **changes: Any) -> Message:
    machine, line = changes.pop("machine", "m1"), changes.pop("line", "l1")
    payload = msgspec.json.encode({"ts": at, "rms": rms})
    message = Message(
        arrived_ns=round((at if arrived is None else arrived) * SECOND),
        broker="mqtt://127.0.0.1:1883",
        connection=1,
        packet_id=changes.pop("packet_id", 0),
        dup=False,
        topic=f"plant/{line}/{machine}/vibration",
        payload=payload,
        size=len(payload),
    )
    return msgspec.structs.replace(message, **changes)


def evidence(number: int, node: str, **changes: Any) -> Evidence:
    item = Evidence(
        id=f"e{number}",
        kind="Limit",
        node=node,
        property="rms",
        unit="mm/s",
        value=12.5,
        bound=11.0,
        limit="highHigh",
        onset_ns=100 * SECOND,
    )
    return msgspec.structs.replace(item, **changes)


def a_machine_graph(*anomalous: str, machines: int = 3) -> EntityGraph:
    """A line with machines, some of which have passed a limit."""
    measured = (Measured(property="rms", unit="mm/s", n=10, mean=2.0, min=1.0, max=3.0, last=2.0, slope=0.0),)
    names = [f"m{number}" for number in range(1, machines + 1)]
    return EntityGraph(
        nodes=(
            *(Node(id=name, type="Machine", measured=measured) for name in names),
            Node(id="line", type="Line"),
        ),
        edges=tuple(
            Edge(id=f"r{number}", source=name, target="line", type="partOf")
            for number, name in enumerate(names, start=1)
        ),
        evidence=tuple(evidence(number, node) for number, node in enumerate(anomalous, start=1)),
    )
