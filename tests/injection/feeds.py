"""Hostile strings as sensors of the example graphs would say them: in names, in payloads, in states and events.

Each of them is said in a window with something to ask about. A window holds few of them, so that none is trimmed away.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.spool.entry import Connected, Entry, Message
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import FreeText, Topology, TopologyNode
from tests.injection.corpus import CORPUS, Hostile

BROKER: Final = "mqtt://127.0.0.1:1883"
BEGIN_SECONDS: Final = 1_800_000_000
WINDOW_SECONDS: Final = 10
A_WINDOW: Final = 4

Said = tuple[float, str, dict[str, Any]]


def plant() -> Iterator[Said]:
    """Machines and lines are named by the topic."""
    for number, at, few in _by_window(A_WINDOW):
        for each in few:
            if each.fits_a_topic:
                yield at, f"plant/line-{number}/{each.text}/vibration", {"rms": 12}
                yield at, f"plant/{each.text}/press-1/vibration", {"rms": 12}


def feeder() -> Iterator[Said]:
    """Stations, feeders and breakers are named by the topic, and what a breaker feeds by the payload."""
    for number, at, few in _by_window(A_WINDOW):
        for each in few:
            switched = {"pos": 1, "bus": each.text, "feeder": each.text}
            yield at, f"grid/station-{number}/q-{number}/position", switched
            yield at + 1, f"grid/station-{number}/q-{number}/position", switched | {"pos": 0}
            if each.fits_a_topic:
                yield at + 1, f"grid/station-{number}/{each.text}/position", switched
                yield at + 2, f"grid/station-{number}/{each.text}/position", switched | {"pos": 0}
                yield at + 3, f"grid/station-{number}/{each.text}/load", {"amps": 700, "kilovolts": 0}


def cold_chain() -> Iterator[Said]:
    """Boxes are named by the topic, their trucks and what is done to them by the payload."""
    for number, at, few in _by_window(A_WINDOW):
        for each in few:
            box = f"box-{number}-{len(each.text)}"
            yield at, f"cold/{box}/loading", {"truck": each.text}
            yield at + 1, f"cold/{box}/handling", {"what": each.text}
            yield at + 2, f"cold/{box}/temperature", {"celsius": 13}
            if each.fits_a_topic:
                yield at, f"cold/{each.text}/loading", {"truck": f"truck-{number}"}
                yield at + 2, f"cold/{each.text}/temperature", {"celsius": 13}


def ward() -> Iterator[Said]:
    """Patients are named by the topic; oxygen and calls are words of the payload."""
    for number, at, few in _by_window(A_WINDOW):
        for turn, each in enumerate(few):
            patient = f"patient-{number}-{turn}"
            yield at, f"adt/{patient}/bed", {"bed": "north-1", "what": "admit"}
            yield at, f"vital/{patient}/oxygen", {"flow": "none"}
            yield at + 1, f"vital/{patient}/oxygen", {"flow": each.text}
            yield at + 2, f"vital/{patient}/call", {"what": each.text}
            yield at + 9, f"adt/{patient}/bed", {"bed": "north-1", "what": "discharge"}
            if each.fits_a_topic:
                yield at, f"adt/{each.text}/bed", {"bed": "intensive-1", "what": "admit"}
                yield at + 1, f"vital/{each.text}/oximeter", {"spo2": 80, "bpm": 130}
                yield at + 9, f"adt/{each.text}/bed", {"bed": "intensive-1", "what": "discharge"}


def by_author() -> Iterator[Said]:
    """Nothing of a stranger; what is hostile is the graph itself: see `hostile_graph`."""
    for number, _ in enumerate(BY_AUTHOR):
        yield (
            number // A_WINDOW * WINDOW_SECONDS + 0.2,
            f"plant/{_line(number)}/press-{number}/vibration",
            {f"p{number}": 12},
        )


def notes() -> Iterator[Said]:
    """Machines that vibrate, and what people or devices wrote of them."""
    for number, at, few in _by_window(A_WINDOW):
        for turn, each in enumerate(few):
            machine = f"plant/line-{number}/press-{turn}"
            yield at, f"{machine}/vibration", {"rms": 12}
            yield at + 1, f"{machine}/note", {"note": each.text}


def with_notes(graph: Graph) -> Graph:
    """The graph with a source that opts in to them."""
    source = msgspec.structs.replace(
        graph.sources[0],
        name="notes",
        kind="Event",
        topic="plant/{line}/{machine}/note",
        measurements=(),
        text=(FreeText(property="note", path="$.note", max_chars=500),),
    )
    return msgspec.structs.replace(graph, sources=(*graph.sources, source))


def hostile_graph(graph: Graph) -> Graph:
    """A graph whose author, or whoever changed it, put the strings into units and labels."""
    vibration = graph.sources[0]
    (measurement,) = vibration.measurements
    replace = msgspec.structs.replace
    measurements = tuple(
        replace(measurement, property=f"p{number}", path=f"$.p{number}", unit=each.text)
        for number, each in enumerate(BY_AUTHOR)
    )
    nodes = tuple(
        TopologyNode(id=f"{_line(number)}/press-{number}", type="Machine", label=each.text)
        for number, each in enumerate(BY_AUTHOR)
    )
    return replace(graph, sources=(replace(vibration, measurements=measurements),), topology=Topology(nodes=nodes))


def _line(number: int) -> str:
    return f"line-{number // A_WINDOW}"


# A bundle is JSON in UTF-8, and bounded.
BY_AUTHOR: Final = tuple(each for each in CORPUS if each.is_utf8 and len(each.text) <= 200)
FEEDS: Final = {"line-1": plant, "feeder": feeder, "cold-chain": cold_chain, "ward": ward}


def entries(said: Iterable[Said]) -> list[list[Entry]]:
    """What a recorder would have written down, by seconds."""
    seconds: dict[int, list[Entry]] = {BEGIN_SECONDS: [_connected()]}
    for at, topic, fields in sorted(said, key=lambda each: each[0]):
        moment = BEGIN_SECONDS + at
        seconds.setdefault(int(moment), []).append(_message(moment, topic, {"ts": moment, **fields}))
    return list(seconds.values())


def _by_window(size: int) -> Iterator[tuple[int, float, Sequence[Hostile]]]:
    """The corpus in groups, each with its number and a moment in a window of its own."""
    rest = iter(CORPUS)
    number = 0
    while few := list(islice(rest, size)):
        yield number, number * WINDOW_SECONDS + 0.2, few
        number += 1


def _connected() -> Connected:
    return Connected(BEGIN_SECONDS * NANOS_PER_SECOND, BROKER, 1, resumed=False)


def _message(moment: float, topic: str, fields: dict[str, Any]) -> Message:
    payload = json.dumps(fields).encode()
    arrived_ns = round(moment * 1000) * (NANOS_PER_SECOND // 1000)
    return Message(arrived_ns, BROKER, 1, 0, dup=False, topic=topic, payload=payload, size=len(payload))
