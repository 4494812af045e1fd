"""Cloud replicas over several nodes: the LeaderWorkerSet, one group of pods for each replica.

It is made of the Deployment that the same replicas would have on one node: so all that is decided for a Deployment
(which template, which strategy, how many) holds for it too. Fields are those of v1 of kubernetes-sigs/lws 0.9.
"""

from typing import Any, Final

from edgeglm_api import labels as keys
from edgeglm_api.inference_service import InferenceService
from edgeglm_operator.resources.cloud_deployment import RECREATE
from edgeglm_operator.resources.engine_pod import TEARDOWN_SECONDS
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.names import groups_name
from edgeglm_operator.resources.parallelism import nodes_of
from edgeglm_operator.resources.selectors import WORKER

API_VERSION: Final = "leaderworkerset.x-k8s.io/v1"
KIND: Final = "LeaderWorkerSet"

_OF_WHO_IS_ASKED: Final = frozenset({"ports", "startupProbe", "readinessProbe", "livenessProbe"})
"""A worker answers nobody; it ends when its engine does, and then all of its group begin anew."""


def in_its_kind(made: Manifest, service: InferenceService) -> Manifest:
    """What was made as a Deployment, or a part of one, as what the service's replicas are."""
    nodes = nodes_of(service, None)
    return made if nodes == 1 else _of_groups(made, nodes)


def _of_groups(made: Manifest, nodes: int) -> Manifest:
    metadata, spec = made["metadata"], made["spec"]
    whole = {} if "template" not in spec else _whole(spec["template"], spec["strategy"], nodes)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {**metadata, "name": groups_name(metadata["name"])},
        "spec": {**({"replicas": spec["replicas"]} if "replicas" in spec else {}), **whole},
    }


def _whole(template: Manifest, strategy: Manifest, nodes: int) -> Manifest:
    return {
        "startupPolicy": "LeaderCreated",
        "rolloutStrategy": {"type": "RollingUpdate", "rollingUpdateConfiguration": _pace(strategy)},
        "leaderWorkerTemplate": {
            "size": nodes,
            # What an engine has in its memory is of no use to the others once one of them is gone.
            "restartPolicy": "RecreateGroupOnPodRestart",
            "leaderTemplate": template,
            "workerTemplate": _worker(template),
        },
    }


def _pace(strategy: Manifest) -> Manifest:
    if strategy == RECREATE:
        return {"maxSurge": 0, "maxUnavailable": "100%"}
    found: Manifest = strategy["rollingUpdate"]
    return found


def _worker(template: Manifest) -> Manifest:
    metadata, pod = template["metadata"], template["spec"]
    engine, *others = pod["containers"]
    return {
        "metadata": {**metadata, "labels": {**metadata["labels"], keys.PLACE: WORKER}},
        "spec": {**pod, "containers": [_headless(engine, pod["terminationGracePeriodSeconds"]), *others]},
    }


def _headless(engine: dict[str, Any], grace_seconds: int) -> Manifest:
    kept = {field: value for field, value in engine.items() if field not in _OF_WHO_IS_ASKED}
    return {
        **kept,
        "args": [*engine["args"], "--headless"],
        # The key is for who is asked.
        "env": [variable for variable in engine["env"] if "secretKeyRef" not in variable.get("valueFrom", {})],
        # Where all go at once it stays until the first has answered what it had begun.
        "lifecycle": {"preStop": {"sleep": {"seconds": grace_seconds - TEARDOWN_SECONDS}}},
    }
