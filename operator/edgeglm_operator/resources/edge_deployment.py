"""The Deployment of one edge target's replica on one node."""

from itertools import takewhile

from edgeglm_api import labels as keys
from edgeglm_api.inference_service import EdgeTarget, InferenceService
from edgeglm_operator.resources.asked import asked_at_site
from edgeglm_operator.resources.downloaded_weights import NO_LIMITS, Download, downloaded_weights
from edgeglm_operator.resources.edge_placement import on_edge_node
from edgeglm_operator.resources.effective_engine import effective_engine
from edgeglm_operator.resources.engine_pod import engine_pod, engine_resources, engine_template
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.names import edge_deployment_name
from edgeglm_operator.resources.selectors import ENGINE, component, edge_selector
from edgeglm_operator.resources.vllm import LOOPBACK, Serving
from edgeglm_operator.resources.way_to_weights import way_at_edge
from edgeglm_operator.resources.weights import Weights, is_downloaded, mounted_weights
from edgeglm_operator.resources.weights_cache import cache_at_site
from edgeglm_operator.settings import Settings


def make_edge_deployment(service: InferenceService, target: EdgeTarget, node: str, settings: Settings) -> Manifest:
    """One replica on one node: a Deployment of its own, so that a change at one site says nothing about another."""
    selector = edge_selector(service, target, node)
    labels = component(ENGINE) | selector
    serving = _serving(service, target, settings)
    return manifest(
        "apps/v1",
        "Deployment",
        service.metadata.namespace,
        edge_deployment_name(service.metadata.name, target.name, node),
        labels=labels,
        annotations={keys.SPEC_HASH: asked_at_site(service, target)},
        owner=owned_by(service),
        spec={
            "replicas": 0 if service.spec.suspend else 1,
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": service.spec.timeouts.progress_deadline_seconds,
            "selector": {"matchLabels": selector},
            # There is one accelerator and one port: the old replica goes before the new one comes (rule O6).
            "strategy": {"type": "Recreate"},
            "template": engine_template(labels, serving, _pod(serving, target, node)),
        },
    )


def asked_by(template: Manifest) -> tuple[object, ...]:
    """What agents ask the engine of a pod template by: the names that it serves, its port, its key."""
    engine = template["spec"]["containers"][0]
    first = engine["args"].index("--served-model-name") + 1
    names = takewhile(lambda argument: not argument.startswith("--"), engine["args"][first:])
    ports = [argument for argument in engine["args"] if argument.startswith("--port=")]
    return (*names, *ports, *(each for each in engine["env"] if "valueFrom" in each))


def _serving(service: InferenceService, target: EdgeTarget, settings: Settings) -> Serving:
    return Serving(
        service=service,
        engine=effective_engine(service, target, settings),
        weights=_weights(service, target, settings),
        host=LOOPBACK,
        port=target.port,
    )


def _weights(service: InferenceService, target: EdgeTarget, settings: Settings) -> Weights:
    source = target.model or service.spec.model
    if not is_downloaded(source.uri):
        return mounted_weights(source.uri)
    download = Download(
        service=service,
        uri=source.uri,
        revision=source.revision,
        way=way_at_edge(service.spec.model, target.model),
        image=settings.operator_image,
        limits=target.download or NO_LIMITS,
    )
    return downloaded_weights(download, cache_at_site(service))


def _pod(serving: Serving, target: EdgeTarget, node: str) -> Manifest:
    pod = engine_pod(serving, engine_resources(target.resources, target.accelerator))
    placement = on_edge_node(node)
    if target.accelerator:
        taint = {"key": target.accelerator.resource_name, "operator": "Exists", "effect": "NoSchedule"}
        placement["tolerations"].append(taint)
    return pod | placement
