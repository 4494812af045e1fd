"""The Secrets that an agent reaches its brokers with: where they lie in its pod, and which of their keys it sees.

They are optional: a missing one costs the graphs that need it their broker, which the agent tells, and not the pod
that serves the others too. (KubeEdge may hold the pod back all the same, #3813; then the pod's status tells.) Mounted
as directories they follow when a Secret is renewed (rule O10).
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from edgeglm_api.bundle import Bundle
from edgeglm_api.inference_service import SecretRef
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.names import broker_volume_name
from edgeglm_operator.resources.optional_secret import mounted_at, optional_volume

_DIRECTORY: Final = "/etc/edgeglm/brokers"
_CA: Final = "ca.crt"
_KEYS: Final = {"trust": (_CA,), "credentials": ("username", "password", "tls.crt", "tls.key")}
"""Which keys are mounted. Where an authority's Secret holds its private key, that stays out of sight."""


class BrokerSecret(NamedTuple):
    """A Secret, and what it is used for."""

    part: str
    name: str


def ca_file(reference: SecretRef) -> str:
    """Where the agent reads whom to trust."""
    return f"{_DIRECTORY}/trust/{reference.name}/{_CA}"


def credentials_folder(reference: SecretRef) -> str:
    """Where the agent reads who it is."""
    return f"{_DIRECTORY}/credentials/{reference.name}"


def broker_secrets_of(bundle: Bundle) -> tuple[BrokerSecret, ...]:
    """The Secrets that a bundle's brokers name, in order."""
    return tuple(sorted(set(_named(bundle))))


def broker_volume(secret: BrokerSecret) -> Manifest:
    """The volume of the pod."""
    return optional_volume(broker_volume_name(secret.name, secret.part), secret.name, _KEYS[secret.part])


def broker_mount(secret: BrokerSecret) -> Manifest:
    """Where the agent sees it."""
    return mounted_at(broker_volume_name(secret.name, secret.part), f"{_DIRECTORY}/{secret.part}/{secret.name}")


def _named(bundle: Bundle) -> Iterator[BrokerSecret]:
    for graph in bundle.graphs:
        for path in (graph.broker.ca_file, graph.broker.credentials):
            if path is not None:
                part, name, *_ = path.removeprefix(f"{_DIRECTORY}/").split("/")
                yield BrokerSecret(part, name)
