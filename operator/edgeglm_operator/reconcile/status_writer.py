"""Writing a status: only when it differs, and with an event for each condition that changed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from edgeglm_api.conditions import Condition
from edgeglm_api.meta import Metadata
from edgeglm_operator.kube.errors import NotFound
from edgeglm_operator.kube.kinds import Kind
from edgeglm_operator.kube.said_status import said_status
from edgeglm_operator.obs.events import make_event, post_event, transitions
from edgeglm_operator.reconcile.outcome import Gone
from edgeglm_operator.reconcile.world import World
from edgeglm_operator.store import Name


class Status(Protocol):
    """What the three statuses have in common."""

    @property
    def conditions(self) -> Sequence[Condition]:
        """The conditions."""
        ...


class Subject(Protocol):
    """An object that has a status."""

    @property
    def metadata(self) -> Metadata:
        """Who it is."""
        ...

    @property
    def status(self) -> Any:  # noqa: ANN401 - each kind has its own
        """What was written last."""
        ...


async def write_status(world: World, kind: Kind, subject: Subject, status: Status) -> None:
    """Write the status unless it says what it said."""
    if status == subject.status:
        return
    metadata = subject.metadata
    manifest = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        # Should the name have been given to a new object, its own reconcile says better at once: the server does not
        # compare a uid here (measured, Kubernetes 1.36).
        "metadata": {"name": metadata.name, "namespace": metadata.namespace},
        "status": said_status(status),
    }
    try:
        live = await world.client.apply_status(manifest)
    except NotFound as error:
        # Or its children, made on the word of the store, would be collected and made again until the watch tells.
        world.feed.remove(kind, Name(metadata.namespace, metadata.name), uid=metadata.uid)
        raise Gone from error
    world.feed.put(kind, live)
    for condition in transitions(subject.status.conditions, status.conditions):
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        event = make_event(kind.name, metadata, condition, now=now, instance=world.instance)
        await post_event(world.client, event)
