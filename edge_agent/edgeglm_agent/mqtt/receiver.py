"""How publications come from paho: one by one, or in batches. All else is the same."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from paho.mqtt.client import Client, MQTTv5

from edgeglm_agent.mqtt.sieve import Sieve
from edgeglm_agent.mqtt.sift import Sifted

Receive = Literal["Each", "Batches"]
OnBatch = Callable[[Sieve, list[Sifted]], None]


class BatchClient(Client):
    """A paho client that gives publications of QoS 1 to `on_batch` instead of `on_message`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - paho's
        super().__init__(*arguments, **options)
        self.on_batch: OnBatch = _ignore

    def _create_socket(self) -> Sieve:
        # Not public, but where paho itself puts its websockets between; the contract tests would tell.
        sieve = Sieve(
            super()._create_socket(),
            lambda batch: self.on_batch(sieve, batch),
            properties=self.protocol == MQTTv5,
        )
        return sieve


CLIENTS: Final[Mapping[Receive, type[Client]]] = {"Each": Client, "Batches": BatchClient}


def _ignore(_sieve: Sieve, _batch: list[Sifted]) -> None:
    return None
