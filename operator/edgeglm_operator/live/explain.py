"""The command: connect as the user, look, and tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from edgeglm_api.model import InvalidObject
from edgeglm_operator.kube import kinds
from edgeglm_operator.kube.connection import NoKubeconfig, connect_as_user
from edgeglm_operator.kube.errors import KubeError, NotFound
from edgeglm_operator.kube.kinds import Kind
from edgeglm_operator.kube.rest import RestClient
from edgeglm_operator.live.cause import lines
from edgeglm_operator.live.chain import chain, is_ready
from edgeglm_operator.live.look import SUBJECTS, look
from edgeglm_operator.offline.bad_input import BadInput

_SHORT: Final = {"infsvc": kinds.INFERENCE_SERVICES, "sgraph": kinds.SENSOR_GRAPHS, "esite": kinds.EDGE_SITES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What there is to tell."""

    lines: Sequence[str]
    notes: Sequence[str]
    """What could not be seen."""
    is_ready: bool


async def explain_live(wanted: str, *, namespace: str | None, kubeconfig: Path | None) -> Explained:
    """Explain `NAME`, or `KIND/NAME`. Raises BadInput when the cluster has no such object, or cannot be asked."""
    kind, name = _subject(wanted)
    try:
        connection, default = await connect_as_user(kubeconfig)
        async with RestClient(connection) as client:
            seen = await look(client, kind, namespace or default, name)
    except NotFound as error:
        raise BadInput(f"{kind.name} {namespace or default}/{name}: {error}") from error
    except (KubeError, NoKubeconfig, InvalidObject) as error:
        raise BadInput(f"{kind.name} {name}: the cluster cannot be asked: {error}") from error
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Explained(lines=list(lines(chain(seen, now))), notes=seen.notes, is_ready=is_ready(seen.subject))


def _subject(wanted: str) -> tuple[Kind, str]:
    """As `kubectl` takes it; an InferenceService where no kind is said."""
    kind, slash, name = wanted.rpartition("/")
    if not slash:
        return kinds.INFERENCE_SERVICES, name
    for known in SUBJECTS:
        if kind.lower() in {known.name.lower(), known.plural} or _SHORT.get(kind) is known:
            return known, name
    raise BadInput(f"{wanted}: there is no kind {kind} here; use one of {', '.join(_SHORT)}")
