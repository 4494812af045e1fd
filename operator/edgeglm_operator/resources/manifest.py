"""The envelope that every child has in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeglm_api import labels as keys
from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.group import API_VERSION, EDGE_SITE, INFERENCE_SERVICE, SENSOR_GRAPH
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.sensor_graph import SensorGraph

Manifest = dict[str, Any]
"""One Kubernetes object as plain data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerRef:
    """Who owns a child. The garbage collector deletes a child when its last owner is gone."""

    kind: str
    name: str
    uid: str
    api_version: str = API_VERSION
    controller: bool = True

    def write(self) -> Manifest:
        """In the shape of `metadata.ownerReferences`.

        Never blocking: a foreground deletion must not wait for a pod on a site that is dark.
        """
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": self.controller,
            "blockOwnerDeletion": False,
        }


def owned_by(parent: InferenceService | SensorGraph | EdgeSite, *, controller: bool = True) -> OwnerRef:
    """The reference to a parent."""
    kind = {InferenceService: INFERENCE_SERVICE, SensorGraph: SENSOR_GRAPH, EdgeSite: EDGE_SITE}[type(parent)]
    return OwnerRef(kind=kind, name=parent.metadata.name, uid=parent.metadata.uid, controller=controller)


def manifest(  # noqa: PLR0913 - the parts of an object's envelope, all but the first four by name
    api_version: str,
    kind: str,
    namespace: str,
    name: str,
    *,
    labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
    owner: OwnerRef | None = None,
    **body: Any,  # noqa: ANN401 - the shape of JSON
) -> Manifest:
    """One object: its envelope, and its body (`spec=`, `data=`)."""
    metadata: Manifest = {"name": name, "namespace": namespace, "labels": {**labels, keys.MANAGED_BY: keys.MANAGER}}
    if annotations:
        metadata["annotations"] = dict(annotations)
    if owner is not None:
        metadata["ownerReferences"] = [owner.write()]
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}
