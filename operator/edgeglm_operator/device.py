"""A Device as KubeEdge has it in the API server, cut down to what a topology needs: devices.kubeedge.io/v1beta1.

Its twins change all the time. They are not kept, nor is how it is reached, which may hold a password. Its generation
says nothing: in KubeEdge's CRD the status is no subresource, so that each report of a twin counts as a new one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from edgeglm_api.model import Model, read

NOT_LISTED: Final = "they have not been listed yet; that is tried twice a minute"
NOT_SERVED: Final = "the cluster has no devices.kubeedge.io/v1beta1; install KubeEdge with its Devices"
NOT_ALLOWED: Final = "the operator may not list them; set rbac.devices in the values of its chart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One of them."""

    name: str
    node: str = ""
    """Which it is connected to; empty while nobody has said."""
    model: str = ""
    """Its DeviceModel."""
    labels: Mapping[str, str] = field(default_factory=dict)


class _Reference(Model, frozen=True, kw_only=True):
    name: str = ""


class _Spec(Model, frozen=True, kw_only=True):
    node_name: str = ""
    device_model_ref: _Reference = _Reference()


class _Metadata(Model, frozen=True, kw_only=True):
    name: str
    labels: dict[str, str] = {}


class _Raw(Model, frozen=True, kw_only=True):
    metadata: _Metadata
    spec: _Spec = _Spec()


def device_from(raw: Mapping[str, Any]) -> Device:
    """Read a Device. Raises InvalidObject, since the schema is not ours."""
    found = read(raw, _Raw)
    return Device(
        name=found.metadata.name,
        node=found.spec.node_name,
        model=found.spec.device_model_ref.name,
        labels=found.metadata.labels,
    )
