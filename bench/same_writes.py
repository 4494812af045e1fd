"""What a bare client takes to write again what the operator wrote: the same children and status, nothing to decide."""

import time
from collections.abc import Mapping
from typing import Final

from bench.kube_load import KubeLoad, Manifest

_KINDS: Final = (("/apis/apps/v1", "apps/v1", "Deployment"), ("/api/v1", "v1", "Service"))
_SAID: Final = ("name", "namespace", "labels", "annotations", "ownerReferences")
_GIVEN_BY_THE_SERVER: Final = ("clusterIP", "clusterIPs")


async def same_writes_a_second(load: KubeLoad, namespace: str, services: Mapping[str, Manifest]) -> float:
    """Take the fleet's children away, make its services anew, and write all children and each first status at once.

    `services` are the InferenceServices by their paths.
    """
    children: dict[str, Manifest] = {}
    for root, api_version, kind in _KINDS:
        path = f"{root}/namespaces/{namespace}/{kind.lower()}s"
        found = await load.items(path)
        children |= {f"{path}/{each['metadata']['name']}": _again(each, api_version, kind) for each in found}
    statuses = {
        f"{path}/status": {key: made[key] for key in ("apiVersion", "kind")} | _status_of(await load.read(path))
        for path, made in services.items()
    }
    await load.delete_all([*children, *services])
    await load.apply_all(services)
    began = time.monotonic()
    await load.apply_all(children | statuses)
    return (len(children) + len(statuses)) / (time.monotonic() - began)


def _again(live: Manifest, api_version: str, kind: str) -> Manifest:
    metadata = {field: live["metadata"][field] for field in _SAID if field in live["metadata"]}
    spec = {field: value for field, value in live["spec"].items() if field not in _GIVEN_BY_THE_SERVER}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def _status_of(live: Manifest) -> Manifest:
    metadata = {field: live["metadata"][field] for field in ("name", "namespace")}
    return {"metadata": metadata, "status": live["status"]}
