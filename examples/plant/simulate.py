"""A simulated plant line: six machines that shake and warm up, and one bearing that goes bad and is mended.

    simulate.py publish [--bad-from 20] [--bad-until 60]   sends vibration and temperature of each machine
    simulate.py watch [--json]                             prints the answers as they come

Both talk MQTT 5 to --broker. Readings carry their own time and are sent with QoS 1; what `publish` counts as
acknowledged is what the broker has taken over. Needs the package paho-mqtt.
"""

import argparse
import json
import random
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

LINE = "line-1"
MACHINES = tuple(f"press-{number}" for number in range(1, 7))
BAD_MACHINE = "press-3"
# ISO 10816-3 speaks of damage above 11 mm/s; the bearing gets there within half a minute.
USUAL_RMS, BAD_RMS_A_SECOND = 2.4, 0.35
USUAL_CELSIUS, BAD_CELSIUS_A_SECOND = 52.0, 0.4
HEAT_COMES_LATER_SECONDS = 15
IN_FLIGHT = 200
BOUND_SECONDS = 30

Reading = tuple[str, dict[str, float]]


def readings(dice: random.Random, *, at: float, since_bad: float, bad_machine: str = BAD_MACHINE) -> Iterator[Reading]:
    """One round of all sensors: topic and payload."""
    for machine in MACHINES:
        bad = max(since_bad, 0) if machine == bad_machine else 0
        hot = max(bad - HEAT_COMES_LATER_SECONDS, 0)
        rms = USUAL_RMS + BAD_RMS_A_SECOND * bad + dice.gauss(0, 0.15)
        celsius = USUAL_CELSIUS + BAD_CELSIUS_A_SECOND * hot + dice.gauss(0, 0.4)
        yield f"plant/{LINE}/{machine}/vibration", {"ts": round(at, 3), "rms": round(max(rms, 0), 3)}
        yield f"plant/{LINE}/{machine}/temperature", {"ts": round(at, 3), "celsius": round(celsius, 2)}


class Line:
    """A connection that counts what the broker acknowledges."""

    def __init__(self, broker: str) -> None:
        self.acknowledged = 0
        self._room = threading.Semaphore(IN_FLIGHT)
        self._client = connect(broker)
        self._client.on_publish = self._on_publish

    def send(self, topic: str, payload: dict[str, float]) -> None:
        """Send one reading; waits while too many are under way."""
        if not self._room.acquire(timeout=BOUND_SECONDS):
            raise TimeoutError(f"the broker acknowledged nothing for {BOUND_SECONDS} s")
        self._client.publish(topic, json.dumps(payload), qos=1)

    def close(self, sent: int) -> None:
        """Wait for the last acknowledgements."""
        deadline = time.monotonic() + BOUND_SECONDS
        while self.acknowledged < sent and time.monotonic() < deadline:
            time.sleep(0.05)
        self._client.disconnect()
        self._client.loop_stop()

    def _on_publish(self, _client: mqtt.Client, _data: object, _mid: int, code: ReasonCode, _more: Properties) -> None:
        self.acknowledged += not code.is_failure
        self._room.release()


def publish(options: argparse.Namespace) -> int:
    """Send for as long as was asked, in step with the clock."""
    dice, line = random.Random(options.seed), Line(options.broker)  # noqa: S311 - noise, not secrets
    began, sent = time.time(), 0
    for number in range(round(options.seconds * options.rate)):
        at = began + number / options.rate
        time.sleep(max(at - time.time(), 0))
        since_bad = at - began - options.bad_from if at - began < options.bad_until else 0
        for topic, payload in readings(dice, at=at, since_bad=since_bad):
            line.send(topic, payload)
            sent += 1
    line.close(sent)
    print(json.dumps({"published": sent, "acknowledged": line.acknowledged}))
    return 0 if line.acknowledged == sent else 1


def watch(options: argparse.Namespace) -> int:
    """Print answers until interrupted."""
    client = connect(options.broker)
    client.on_message = show_json if options.json else show
    # Sent behind the CONNECT, whose answer need not be waited for (MQTT 5, 3.1.4).
    client.subscribe("insights/#", qos=1)
    print("watching insights/#", file=sys.stderr, flush=True)
    threading.Event().wait()
    return 0


def show_json(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
    """One line of JSON for a program to read."""
    heard = {"at": time.time(), "topic": message.topic, "answer": json.loads(message.payload)}
    print(json.dumps(heard), flush=True)


def show(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
    """A few lines for a person."""
    print("\n".join(describe(json.loads(message.payload))), flush=True)


def describe(answer: dict[str, object]) -> Iterator[str]:
    """An answer in words."""
    spans = answer["windows"]
    assert isinstance(spans, list)  # noqa: S101 - the contract
    until = datetime.fromisoformat(spans[-1]["end"]).astimezone().strftime("%H:%M:%S")
    yield f"{until}  {answer['partition']}  {answer['status']}"
    findings = answer.get("findings", [])
    assert isinstance(findings, list)  # noqa: S101 - the contract
    for finding in findings:
        yield f"          {finding['state']}, {finding['severity']}: {finding['statement']}"
        if finding.get("comment"):
            yield f"          the model, unverified: {finding['comment']}"


def connect(broker: str) -> mqtt.Client:
    """Connect, or say why not."""
    host, _, port = broker.rpartition(":")
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    try:
        client.connect(host, int(port))
    except OSError as error:
        raise SystemExit(f"no broker at {broker}: {error}") from error
    client.loop_start()
    return client


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", default="127.0.0.1:1883", metavar="HOST:PORT")
    commands = parser.add_subparsers(required=True)
    sends = commands.add_parser("publish", help="send readings")
    sends.add_argument("--seconds", type=float, default=100, help="for how long (default: 100)")
    sends.add_argument("--rate", type=float, default=5, help="rounds of all sensors a second (default: 5)")
    sends.add_argument(
        "--bad-from", type=float, default=20, help="second in which the bearing begins to fail (default: 20)"
    )
    sends.add_argument("--bad-until", type=float, default=60, help="second in which it is mended (default: 60)")
    sends.add_argument("--seed", type=int, default=1, help="of the noise")
    sends.set_defaults(run=publish)
    watches = commands.add_parser("watch", help="print answers")
    watches.add_argument("--json", action="store_true", help="one line of JSON an answer")
    watches.set_defaults(run=watch)
    options = parser.parse_args()
    result: int = options.run(options)
    return result


if __name__ == "__main__":
    sys.exit(main())
