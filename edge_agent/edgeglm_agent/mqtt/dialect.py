"""What MQTT 5 and MQTT 3.1.1 say differently.

In 3.1.1 nobody can say how long a session is kept, how much may be on its way, or that a retained message is wanted
once: the broker decides the first two, and sends what it retained after each connection; an answer carries its request
id in its payload only. Acknowledgements, sessions and the will are the same.
"""

from typing import Any, Final

import msgspec
from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

RECEIVE_MAXIMUM: Final = 1000
MAX_PACKET_BYTES: Final = 4 * 1024 * 1024
"""The broker drops what is larger, as MQTT 5 demands (3.1.2.11.4); in between, we count and drop."""


class Publication(msgspec.Struct, frozen=True):
    """Something to be published."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    correlation: bytes = b""


class Mqtt5:
    """The one to begin with."""

    name: Final = "5"

    def client(self, kind: type[Client], client_id: str, session_expiry_seconds: int) -> Client:  # noqa: ARG002 - told when connecting
        """Return a client that never connects by itself, and acknowledges only when told to."""
        return kind(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )

    def connecting(self, session_expiry_seconds: int) -> dict[str, Any]:
        """Return what is said of the session."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = session_expiry_seconds
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        return {"clean_start": False, "properties": properties}

    def publishing(self, publication: Publication) -> dict[str, Any]:
        """Return what goes beside the payload."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = "application/json"
        if publication.correlation:
            properties.CorrelationData = publication.correlation
        return {"properties": properties}

    def subscription(self, topic_filter: str) -> tuple[str, Any]:
        """Return how a filter is asked for.

        What is retained tells which states hold; once a session, as later changes come anyway. It is marked as such
        only when it is sent for the subscription. What we publish ourselves is no source.
        """
        once = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
        return topic_filter, SubscribeOptions(qos=1, noLocal=True, retainHandling=once)


class Mqtt311:
    """For brokers that know no better."""

    name: Final = "3.1.1"

    def client(self, kind: type[Client], client_id: str, session_expiry_seconds: int) -> Client:
        """Return a client that never connects by itself, and acknowledges only when told to."""
        return kind(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTv311,
            clean_session=session_expiry_seconds == 0,
            reconnect_on_failure=False,
            manual_ack=True,
        )

    def connecting(self, session_expiry_seconds: int) -> dict[str, Any]:  # noqa: ARG002 - the client has said it
        """Return nothing: the broker decides."""
        return {}

    def publishing(self, publication: Publication) -> dict[str, Any]:  # noqa: ARG002 - there is no place for it
        """Return nothing: a payload stands alone."""
        return {}

    def subscription(self, topic_filter: str) -> tuple[str, Any]:
        """Return how a filter is asked for."""
        return topic_filter, 1


Dialect = Mqtt5 | Mqtt311
