"""Events for `kubectl describe`: one for each condition that changed its status or its reason, none otherwise.

The name follows from what happened, so that telling it twice (two leaders, a retry, a restart) makes one event.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from edgeglm_api.conditions import SUSPENDED, Condition
from edgeglm_api.group import API_VERSION
from edgeglm_api.meta import Metadata
from edgeglm_operator.kube import kinds
from edgeglm_operator.kube.client import FIELD_MANAGER, KubeClient, Manifest
from edgeglm_operator.kube.errors import Conflict, KubeError

NOTE_LIMIT: Final = 1024
"""Of events.k8s.io/v1."""

PROGRESSING: Final = "Progressing"
"""For tools that wait; it says nothing that the other conditions do not, and its False is nothing bad."""

log = logging.getLogger(__name__)


def transitions(previous: Sequence[Condition], present: Iterable[Condition]) -> Iterator[Condition]:
    """The conditions that say something new: another status, or another reason why something is wrong.

    A beginning is no news unless it is a bad one, and what goes on is told by the status alone.
    """
    before = {condition.type: condition for condition in previous}
    for condition in (condition for condition in present if condition.type != PROGRESSING):
        old = before.get(condition.type)
        if condition.status == "False":
            news = old is None or (old.status, old.reason) != (condition.status, condition.reason)
        else:
            news = old is not None and old.status != condition.status
        if news:
            yield condition


def make_event(kind: str, metadata: Metadata, condition: Condition, *, now: str, instance: str) -> Manifest:
    """The event of one transition."""
    what = (metadata.uid, condition.type, condition.status, condition.reason, condition.last_transition_time)
    digest = hashlib.sha256("\0".join(what).encode()).hexdigest()[:16]
    regarding = {"apiVersion": API_VERSION, "kind": kind, "name": metadata.name, "uid": metadata.uid}
    return {
        "apiVersion": kinds.EVENTS.api_version,
        "kind": kinds.EVENTS.name,
        "metadata": {"name": f"{metadata.name[:200]}.{digest}", "namespace": metadata.namespace},
        "regarding": {**regarding, "namespace": metadata.namespace, "resourceVersion": metadata.resource_version},
        "type": "Warning" if condition.status == "False" and condition.reason != SUSPENDED else "Normal",
        "reason": condition.reason,
        "action": condition.type,
        "note": f"{condition.type}={condition.status}: {condition.message or condition.reason}"[:NOTE_LIMIT],
        "eventTime": now,
        "reportingController": FIELD_MANAGER,
        "reportingInstance": instance,
    }


async def post_event(client: KubeClient, event: Manifest) -> None:
    """Tell it. The status says the same, so a failure is only logged."""
    try:
        await client.create(event)
    except Conflict:
        return
    except KubeError as error:
        log.warning("an event could not be posted: %s", error)
