"""The keys that an agent needs, of endpoints and of who commands it: which Secrets, and where they lie in its pod."""

from typing import Final

from edgeglm_api.bundle import Bundle
from edgeglm_api.inference_service import SecretKeyRef

DIRECTORY: Final = "/etc/edgeglm/keys"


def key_file(reference: SecretKeyRef) -> str:
    """Where the agent reads a key: a directory for each Secret, a file for each of its keys."""
    return f"{DIRECTORY}/{reference.name}/{reference.key}"


def secrets_of(bundle: Bundle) -> tuple[str, ...]:
    """The Secrets whose keys a bundle names, of InferenceServices and of who commands a graph."""
    files = [endpoint.key_file for endpoint in bundle.endpoints if endpoint.key_file]
    files += [graph.commands.key_file for graph in bundle.graphs if graph.commands]
    ours = [file.removeprefix(f"{DIRECTORY}/") for file in files if file.startswith(f"{DIRECTORY}/")]
    return tuple(sorted({file.partition("/")[0] for file in ours}))
