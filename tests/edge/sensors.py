"""The other ends of the broker: sensors that know what was acknowledged, and a listener that keeps every answer."""

import json
import threading
import time
from itertools import pairwise
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion


def connect(port: int, client_id: str, *, keep_session: bool = False) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5)
    client.max_inflight_messages_set(200)
    client.connect("127.0.0.1", port, clean_start=not keep_session)
    client.loop_start()
    until = time.monotonic() + 10
    while not client.is_connected():
        assert time.monotonic() < until, "no broker"
        time.sleep(0.01)
    return client


def end(client: Client) -> None:
    """Leave, and wait for the network thread.

    Not by paho's `loop_stop`: the thread ends by itself once it has left, and `loop_stop` trips over that when it comes
    between its look at the thread and its join.
    """
    thread = client._thread
    client.disconnect()
    client._thread_terminate = True
    if thread is not None:
        thread.join(30)


class Sensors:
    """Publishes readings with QoS 1, and waits until the broker has them."""

    def __init__(self, port: int, client_id: str = "sensors") -> None:
        self.client = connect(port, client_id)
        self.published = 0

    def send(self, ts: float, rms: float, *, line: str = "l1", machine: str = "m1") -> None:
        self.raw(f"plant/{line}/{machine}/vibration", json.dumps({"ts": ts, "rms": rms}).encode())

    def raw(self, topic: str, payload: bytes) -> None:
        self._last = self.client.publish(topic, payload, qos=1)
        self.published += 1

    def flush(self) -> None:
        """Wait until the broker has acknowledged all."""
        self._last.wait_for_publish(30)
        assert self._last.is_published()

    def close(self) -> None:
        end(self.client)


class Listener:
    """Keeps all answers, with their correlation data, across restarts of the broker."""

    def __init__(self, port: int, topic: str = "insights/#") -> None:
        self.bodies: dict[str, set[bytes]] = {}
        self.answers: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self.client = connect(port, "listener", keep_session=False)
        self.client.on_message = self._on_message
        self._topic = topic
        self._subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.subscribe(topic, qos=1)
        assert self._subscribed.wait(10)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        answer = json.loads(message.payload)
        with self._lock:
            assert message.properties is not None
            correlation = message.properties.CorrelationData.decode()  # type: ignore[attr-defined]
            assert correlation == answer["requestId"]
            if correlation not in self.bodies:
                self.answers.append(answer)
            self.bodies.setdefault(correlation, set()).add(bytes(message.payload))

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The answers to questions; what code says by itself, such as that a finding is over, left out."""
        with self._lock:
            return [answer for answer in self.answers if answer["status"] != "Normal" or "model" in answer]

    def windows(self) -> list[tuple[str, str, str]]:
        """Partition, start and end of every span that was asked about, each as often as it was answered."""
        return sorted(
            (answer["partition"], span["start"], span["end"]) for answer in self.asked for span in answer["windows"]
        )

    def lives(self) -> dict[str, list[str]]:
        """The states of each finding, in the order in which they were heard."""
        states: dict[str, list[str]] = {}
        with self._lock:
            for answer in self.answers:
                for finding in answer.get("findings", []):
                    states.setdefault(finding["id"], []).append(finding["state"])
        return states

    def assert_no_contradiction(self) -> None:
        """No request has two answers; no finding opens twice or clears twice without the other in between."""
        with self._lock:
            for request_id, bodies in self.bodies.items():
                assert len(bodies) == 1, f"{request_id} was answered in {len(bodies)} ways"
        for finding, states in self.lives().items():
            assert states[0] == "Open", f"{finding} begins with {states[0]}"
            for before, after in pairwise(states):
                assert (before == "Cleared") == (after == "Open"), f"{finding}: {states}"

    def close(self) -> None:
        end(self.client)
