"""A bare paho client that keeps nothing: what a Python program can take from a broker at most.

    python -m bench.ingest.bare_client PORT CLIENT_ID FILTER MESSAGES auto|manual|subscribe

`auto` lets paho acknowledge, `manual` does it itself, at once; both count to MESSAGES and print seconds and CPU
seconds from the first to the last. `subscribe` only makes the session, for MESSAGES to wait in.
"""

import sys
import threading
import time

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

BOUND_SECONDS = 3600


def main() -> int:
    """Do what the arguments say."""
    port, client_id, topic, messages, how = sys.argv[1:]
    taken = _take(int(port), client_id, topic, int(messages), how)
    print(taken[0], taken[1])
    return 0


def _take(port: int, client_id: str, topic: str, messages: int, how: str) -> tuple[float, float]:
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5, manual_ack=how == "manual")
    seen, began, done, subscribed = 0, (0.0, 0.0), threading.Event(), threading.Event()
    ended = began

    def count(_client: Client, _data: object, message: MQTTMessage) -> None:
        nonlocal seen, began, ended
        seen += 1
        if seen == 1:
            began = _now()
        if how == "manual":
            client.ack(message.mid, message.qos)
        if seen == messages:
            ended = _now()
            done.set()

    client.on_message = count
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", port, clean_start=False, properties=_keeping())
    client.loop_start()
    client.subscribe(topic, qos=1)
    waits = subscribed if how == "subscribe" else done
    if not waits.wait(BOUND_SECONDS):
        raise TimeoutError(f"{seen} of {messages} came")
    client.disconnect()
    client.loop_stop()
    return ended[0] - began[0], ended[1] - began[1]


def _now() -> tuple[float, float]:
    return time.monotonic(), time.process_time()


def _keeping() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 86400
    properties.ReceiveMaximum = 1000
    return properties


if __name__ == "__main__":
    sys.exit(main())
