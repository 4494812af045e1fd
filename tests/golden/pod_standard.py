"""Kubernetes' Pod Security Standard `restricted` (v1.36), as far as our pods can break it."""

from collections.abc import Iterator
from typing import Any

VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected"),
    "secret",
}


def violations(pod: dict[str, Any]) -> set[str]:
    """What keeps a pod from `restricted`, as field names; empty when nothing does."""
    found = set(_of_pod(pod))
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        found |= set(_of_container(container, pod.get("securityContext", {})))
    return found


def _of_pod(pod: dict[str, Any]) -> Iterator[str]:
    yield from (field for field in ("hostNetwork", "hostPID", "hostIPC") if pod.get(field))
    for volume in pod.get("volumes", ()):
        (kind,) = set(volume) - {"name"}
        if kind not in VOLUMES:
            yield kind


def _of_container(container: dict[str, Any], pod_context: dict[str, Any]) -> Iterator[str]:
    context = container.get("securityContext", {})
    capabilities = context.get("capabilities", {})
    where = container["name"]
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{where}.allowPrivilegeEscalation"
    if capabilities.get("drop") != ["ALL"]:
        yield f"{where}.capabilities.drop"
    if set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield f"{where}.capabilities.add"
    if not context.get("runAsNonRoot", pod_context.get("runAsNonRoot")):
        yield f"{where}.runAsNonRoot"
    if context.get("runAsUser", pod_context.get("runAsUser")) == 0:
        yield f"{where}.runAsUser"
    if context.get("seccompProfile", pod_context.get("seccompProfile", {})).get("type") != "RuntimeDefault":
        yield f"{where}.seccompProfile"
    yield from ("hostPort" for port in container.get("ports", ()) if port.get("hostPort"))
    yield from ("probe.host" for probe in _checks(container) if "host" in probe)


def _checks(container: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        yield container.get(probe, {}).get("httpGet", {})
