"""`KubeClient`: what the operator asks of the API server, on plain dictionaries.

A Protocol, so that the reconcilers can be tested on a small in-memory cluster with faults on order. Each method is one
request (a list may be several), bounded in time, and raises a `KubeError`.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Protocol

from edgeglm_operator.kube.kinds import Kind

Manifest = dict[str, Any]

FIELD_MANAGER: Final = "edgeglm-operator"
"""Who owns, in the server's book of fields, what we apply."""
HAND_OVER_MANAGER: Final = "edgeglm-handover"
"""Who owns a field that we have left to somebody else, until they write it."""

PAGE_SIZE: Final = 200
"""Of a list: a page is held as a whole, and a Deployment is 18 KiB with its book of fields."""


class KubeClient(Protocol):
    """The verbs."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """Read one object."""
        ...

    def list(self, kind: Kind, namespace: str = "", *, selector: str = "") -> AsyncIterator[Manifest]:
        """Read all objects with these labels, page by page; in all namespaces when none is named."""
        ...

    async def serves(self, kind: Kind) -> bool:
        """Whether the API server has the kind; of a kind without a plural, whether it has the API."""
        ...

    async def apply(self, manifest: Manifest, *, manager: str = FIELD_MANAGER) -> Manifest:
        """Make what the manifest says so, and drop what the manager said before and says no longer.

        It takes fields from others, and leaves what another manager says, too.
        """
        ...

    async def apply_new(self, manifest: Manifest) -> Manifest:
        """The same for an object that is not there yet; `Conflict` when one of its name is, whoever made it.

        Unlike with `create`, a later `apply` drops what it says no longer: the manager is in the server's book as one
        that applies.
        """
        ...

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """The same for the status of an object that exists, whatever its uid."""
        ...

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> Manifest:
        """JSON merge patch: maps are merged, lists replaced."""
        ...

    async def create(self, manifest: Manifest) -> Manifest:
        """Create; `Conflict` when it exists."""
        ...

    async def update(self, manifest: Manifest) -> Manifest:
        """Replace the version that the manifest's `resourceVersion` names; `Conflict` when that is not the newest."""
        ...

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete exactly this object and, in the background, what it owns; `Conflict` when it is another by now."""
        ...


def labels_selector(labels: Mapping[str, str]) -> str:
    """Labels as the API server's `labelSelector`."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
