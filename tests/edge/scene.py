"""A scene of examples/scenes, sent to a real broker as if it had just happened, with a quiet while before it."""

import json
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from edgeglm_agent.rehearse.graph_file import bundle_for, load_graph
from edgeglm_api.bundle import Bundle, Endpoint, Limits
from examples.scenes.simulate import SCENES, Said
from tests.edge.sensors import Sensors
from tests.edge.stub_engine import Scripted

FOLDER: Final = Path(__file__).parents[2] / "examples" / "scenes"
WINDOW_SECONDS: Final = 10
QUIET_SECONDS: Final = 30
"""So long nothing happens in any of them."""


def bundle_of(scene: str, *, broker: str, engine: str) -> Bundle:
    """The bundle of a site with the scene's graph."""
    endpoint = Endpoint(name="grid-llm", url=engine, model="stub", place="Edge")
    bundle = bundle_for(load_graph(FOLDER / f"{scene}.yaml"), broker=broker, endpoint=endpoint)
    return msgspec.structs.replace(bundle, site="edge-1", limits=Limits(spool_max_bytes=1 << 30, max_concurrency=1))


def play(scene: str, sensors: Sensors, *, quiet_rounds: int, until: float) -> None:
    """Send what was said until a second of the scene; the last of it has just been measured.

    It begins where a window does, so that what happens together is in one window each time.
    """
    told = [each for each in _told(scene, quiet_rounds) if each[0] < quiet_rounds * QUIET_SECONDS + until]
    began = (time.time() - told[-1][0]) // WINDOW_SECONDS * WINDOW_SECONDS
    for at, topic, fields in told:
        sensors.raw(topic, json.dumps({"ts": round(began + at, 3), **fields}).encode())
    sensors.flush()


def blame_the_breaker(body: dict[str, Any]) -> Scripted:
    """Where both are told, the breaker that opened is why its feeder has no voltage."""
    text = body["messages"][1]["content"]
    opened, dark = (re.search(rf"(e\d+): {what}", text) for what in ("q-3 position", "feeder-3 voltage"))
    if opened is None or dark is None:
        return Scripted(json.dumps({"assessment": "unsure", "findings": []}))
    finding = {
        "cause": "q-3",
        "symptom": "feeder-3",
        "evidence": [opened[1], dark[1]],
        "confidence": "High",
        "comment": "tripped",
    }
    return Scripted(json.dumps({"assessment": "found", "findings": [finding]}))


def _told(scene: str, quiet_rounds: int) -> list[Said]:
    return sorted(_rounds(scene, quiet_rounds), key=lambda each: each[:2])


def _rounds(scene: str, quiet_rounds: int) -> Iterator[Said]:
    for number in range(quiet_rounds + 1):
        for at, topic, fields in SCENES[scene](random.Random(number)):  # noqa: S311 - noise, not secrets
            if at < QUIET_SECONDS or number == quiet_rounds:
                yield at + number * QUIET_SECONDS, topic, fields
