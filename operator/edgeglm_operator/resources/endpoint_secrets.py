"""The Secrets that a graph's own endpoint is asked with: where they lie in the agent's pod, and which keys it sees.

Like those of brokers they are optional: a missing one costs the graphs that need it their endpoint, which the agent
tells, and not the pod that serves the others too. Mounted as directories they follow when a Secret is renewed
(rule O10).
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from edgeglm_api.bundle import Bundle
from edgeglm_api.inference_service import SecretKeyRef, SecretRef
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.names import endpoint_volume_name
from edgeglm_operator.resources.optional_secret import mounted_at, optional_volume

_DIRECTORY: Final = "/etc/edgeglm/endpoints"
_KEYS: Final = "keys"
_TRUST: Final = "trust"
_CA: Final = "ca.crt"


class EndpointSecret(NamedTuple):
    """A Secret, what it is used for, and which of its keys the agent sees."""

    part: str
    name: str
    keys: tuple[str, ...]


def endpoint_key_file(reference: SecretKeyRef) -> str:
    """Where the agent reads the API key."""
    return f"{_DIRECTORY}/{_KEYS}/{reference.name}/{reference.key}"


def endpoint_ca_file(reference: SecretRef) -> str:
    """Where the agent reads whom to trust."""
    return f"{_DIRECTORY}/{_TRUST}/{reference.name}/{_CA}"


def endpoint_secrets_of(bundle: Bundle) -> tuple[EndpointSecret, ...]:
    """The Secrets that the graphs' own endpoints name, in order."""
    keys: dict[tuple[str, str], set[str]] = {}
    for part, name, key in _named(bundle):
        keys.setdefault((part, name), set()).add(key)
    return tuple(EndpointSecret(*secret, tuple(sorted(keys[secret]))) for secret in sorted(keys))


def endpoint_volume(secret: EndpointSecret) -> Manifest:
    """The volume of the pod."""
    return optional_volume(endpoint_volume_name(secret.name, secret.part), secret.name, secret.keys)


def endpoint_mount(secret: EndpointSecret) -> Manifest:
    """Where the agent sees it."""
    return mounted_at(endpoint_volume_name(secret.name, secret.part), f"{_DIRECTORY}/{secret.part}/{secret.name}")


def _named(bundle: Bundle) -> Iterator[tuple[str, str, str]]:
    """Part, Secret and key of each file; the keys of InferenceServices lie elsewhere."""
    for endpoint in bundle.endpoints:
        for path in (endpoint.key_file, endpoint.ca_file):
            if path is not None and path.startswith(f"{_DIRECTORY}/"):
                part, name, key = path.removeprefix(f"{_DIRECTORY}/").split("/")
                yield part, name, key
