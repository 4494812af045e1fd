"""How publications come from paho: one by one, or in batches. All else is the same."""

from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any, Final, Literal

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import MQTTErrorCode

from edgeglm_agent.mqtt.sieve import Sieve
from edgeglm_agent.mqtt.sift import Sifted

Receive = Literal["Each", "Batches"]
DEFAULT_RECEIVE: Final[Receive] = "Batches"
OnBatch = Callable[[list[Sifted]], None]


class BatchClient(Client):
    """A paho client that gives publications of QoS 1 to `on_batch` instead of `on_message`; it connects once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - paho's
        super().__init__(*arguments, **options)
        self.on_batch: OnBatch = _ignore
        self._sieve: Sieve | None = None

    def acknowledge(self, packet_ids: Iterable[int]) -> None:
        """Acknowledge what came, in its order, from any thread; raises OSError when the broker does not take it."""
        if self._sieve is None:
            raise ConnectionError("there is no connection")
        self._sieve.acknowledge(packet_ids)
        if not self._sieve.owes:
            with self._msgtime_mutex:
                self._last_msg_out = monotonic()

    def ack(self, mid: int, qos: int) -> MQTTErrorCode:
        """Acknowledge what was too large for a batch; in paho's own queue a later batch would overtake it."""
        if qos != 1:
            return super().ack(mid, qos)
        self.acknowledge((mid,))
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def want_write(self) -> bool:
        """Tell whether to wait for a network that takes more: acknowledgements must not wait for paho's next ping."""
        return super().want_write() or (self._sieve is not None and self._sieve.owes)

    def loop_write(self) -> MQTTErrorCode:
        """Send what the network takes now."""
        if self._sieve is not None:
            self._sieve.settle()
        return super().loop_write()

    def _create_socket(self) -> Sieve:
        # Not public, but where paho itself puts its websockets between; the contract tests would tell.
        self._sieve = Sieve(super()._create_socket(), self._take, properties=self.protocol == MQTTv5)
        return self._sieve

    def _take(self, batch: list[Sifted]) -> None:
        # For paho, too, a publication is a sign of life. Were it none, paho would ping under a flood and leave when the
        # answer, which comes behind all that the broker has sent before it, takes longer than the keep-alive.
        with self._msgtime_mutex:
            self._last_bytes_received = monotonic()
        self.on_batch(batch)


CLIENTS: Final[Mapping[Receive, type[Client]]] = {"Each": Client, "Batches": BatchClient}


def _ignore(_batch: list[Sifted]) -> None:
    return None
