"""The Deployment of a site's agent."""

import hashlib
from typing import Final

from edgeglm_api import labels
from edgeglm_api.edge_site import EdgeSite
from edgeglm_operator.resources.agent_keys import DIRECTORY as KEYS_DIRECTORY
from edgeglm_operator.resources.agent_secrets import NO_SECRETS, AgentSecrets
from edgeglm_operator.resources.asked import asked_of_agent
from edgeglm_operator.resources.broker_secrets import broker_mount, broker_volume
from edgeglm_operator.resources.edge_placement import on_edge_node
from edgeglm_operator.resources.endpoint_secrets import endpoint_mount, endpoint_volume
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.names import agent_name, bundle_name, key_volume_name
from edgeglm_operator.resources.own_directory import own_directory
from edgeglm_operator.resources.pod_security import container_context, pod_context
from edgeglm_operator.resources.report_secret import report_arguments, report_mount, report_volume
from edgeglm_operator.resources.selectors import AGENT, agent_selector, component
from edgeglm_operator.settings import Settings

PORT: Final = 9464
"""Health and metrics; the port that OpenTelemetry made usual for the latter."""

STARTUP_SECONDS: Final = 120
"""It starts in a second or two; a site that boots may be busy."""
_STARTUP_PROBE_SECONDS: Final = 2

HOST_DATA: Final = "/var/lib/edgeglm/data"
DATA: Final = "/var/lib/edgeglm-agent"
BUNDLE: Final = "/etc/edgeglm/bundle"


def make_agent_deployment(site: EdgeSite, settings: Settings, secrets: AgentSecrets = NO_SECRETS) -> Manifest:
    """The one agent of a site, with the Secrets that its bundle names."""
    selector = agent_selector(site)
    asked = asked_of_agent(site, secrets, settings.reporting, settings.agent_pull_secrets)
    return manifest(
        "apps/v1",
        "Deployment",
        site.metadata.namespace,
        agent_name(site.metadata.name),
        labels=component(AGENT) | selector,
        annotations={labels.SPEC_HASH: asked},
        owner=owned_by(site),
        spec={
            "replicas": 0 if site.spec.suspend else 1,
            "revisionHistoryLimit": 1,
            "selector": {"matchLabels": selector},
            # Two agents must never write to one spool.
            "strategy": {"type": "Recreate"},
            "template": {
                "metadata": {"labels": component(AGENT) | selector},
                "spec": _pod(site, settings, secrets) | on_edge_node(site.spec.node_name),
            },
        },
    )


def agent_address(namespace: str) -> str:
    """The loopback address of a namespace's agents.

    All agents of a node share its network, and each namespace may have one there. All of 127.0.0.0/8 is loopback, so
    each namespace gets an address of its own and all keep the same port: two would meet once in some millions.
    """
    second, third, fourth = hashlib.sha256(namespace.encode()).digest()[:3]
    return f"127.{64 + second % 128}.{third}.{1 + fourth % 254}"


def data_path(site: EdgeSite) -> str:
    """The spool's directory on the node: by UID, so that a site that is made anew does not meet another one's past."""
    return f"{HOST_DATA}/{site.metadata.namespace}/{site.metadata.uid}"


def _pod(site: EdgeSite, settings: Settings, secrets: AgentSecrets) -> Manifest:
    image, pulls = settings.agent_image, [{"name": name} for name in settings.agent_pull_secrets]
    return {
        **({"imagePullSecrets": pulls} if pulls else {}),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_context(),
        "terminationGracePeriodSeconds": 30,
        # An emptyDir would lose the spool with the pod, and a claim does not come back after a reboot without a link
        # (rule O7).
        "initContainers": [own_directory("own-data", image, "data", DATA)],
        "containers": [_agent(site, settings, secrets)],
        "volumes": [
            {"name": "bundle", "configMap": {"name": bundle_name(site.metadata.name)}},
            {"name": "data", "hostPath": {"path": data_path(site), "type": "DirectoryOrCreate"}},
            {"name": "tmp", "emptyDir": {}},
            *(_key_volume(secret) for secret in secrets.keys),
            *(broker_volume(secret) for secret in secrets.brokers),
            *(endpoint_volume(secret) for secret in secrets.endpoints),
            *([report_volume(site, settings.reporting)] if settings.reporting else []),
        ],
    }


def _agent(site: EdgeSite, settings: Settings, secrets: AgentSecrets) -> Manifest:
    address = agent_address(site.metadata.namespace)
    port = {"name": "http", "containerPort": PORT, "hostPort": PORT, "hostIP": address, "protocol": "TCP"}
    return {
        "name": "agent",
        "image": settings.agent_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["edgeglm-agent"],
        "args": [
            *("run", "--bundle", BUNDLE, "--data", DATA, "--listen", f"{address}:{PORT}"),
            *_pins(site),
            *_way_of_messages(site),
            *(report_arguments(site, settings.reporting) if settings.reporting else []),
        ],
        "ports": [port],
        **_probes(address),
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": container_context() | {"readOnlyRootFilesystem": True},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            # As a directory, never by subPath, which is not refreshed (rule O10).
            {"name": "bundle", "mountPath": BUNDLE, "readOnly": True},
            {"name": "data", "mountPath": DATA},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
            *(
                {"name": key_volume_name(secret), "mountPath": f"{KEYS_DIRECTORY}/{secret}", "readOnly": True}
                for secret in secrets.keys
            ),
            *(broker_mount(secret) for secret in secrets.brokers),
            *(endpoint_mount(secret) for secret in secrets.endpoints),
            *([report_mount()] if settings.reporting else []),
        ],
    }


def _pins(site: EdgeSite) -> list[str]:
    """Here and not in the bundle: who can write that alone must not move them."""
    return [word for host in site.spec.endpoint_hosts or () for word in ("--endpoint-host", host)]


def _way_of_messages(site: EdgeSite) -> list[str]:
    return [f"--receive={site.spec.receive}"] if site.spec.receive else []


def _probes(address: str) -> Manifest:
    # The kubelet asks from the node's network, where the agent listens on loopback only.
    live = {"httpGet": {"path": "/livez", "port": PORT, "host": address, "scheme": "HTTP"}, "periodSeconds": 10}
    ready = {"httpGet": {"path": "/readyz", "port": PORT, "host": address, "scheme": "HTTP"}, "periodSeconds": 5}
    starting = {"periodSeconds": _STARTUP_PROBE_SECONDS, "failureThreshold": STARTUP_SECONDS // _STARTUP_PROBE_SECONDS}
    return {
        "startupProbe": {**live, "timeoutSeconds": 5, **starting},
        "livenessProbe": {**live, "timeoutSeconds": 5, "failureThreshold": 6},
        "readinessProbe": {**ready, "timeoutSeconds": 5, "failureThreshold": 3},
    }


def _key_volume(secret: str) -> Manifest:
    return {"name": key_volume_name(secret), "secret": {"secretName": secret, "defaultMode": 0o440}}
