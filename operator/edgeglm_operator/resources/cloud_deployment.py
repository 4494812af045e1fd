"""The Deployment of the replicas in the cluster proper."""

from collections.abc import Mapping
from typing import Final

from edgeglm_api import labels as keys
from edgeglm_api.inference_service import Autoscaling, Cloud, InferenceService
from edgeglm_operator.resources.asked import asked_of_cloud
from edgeglm_operator.resources.cloud_placement import cloud_placement
from edgeglm_operator.resources.device_claim import pod_claims
from edgeglm_operator.resources.downloaded_weights import Download, downloaded_weights
from edgeglm_operator.resources.effective_engine import effective_engine
from edgeglm_operator.resources.engine_pod import engine_pod, engine_resources, engine_template
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.own_volumes import own_mounts, own_volumes
from edgeglm_operator.resources.parallelism import nodes_of
from edgeglm_operator.resources.selectors import ENGINE, cloud_selector, component
from edgeglm_operator.resources.vllm import Serving
from edgeglm_operator.resources.way_to_weights import Way
from edgeglm_operator.resources.weights import Weights, image_weights, is_downloaded, mounted_weights
from edgeglm_operator.resources.weights_cache import cache_in_cloud
from edgeglm_operator.settings import Settings

PRE_STOP_SECONDS: Final = 10
"""How long a replica that is going away still takes requests, until every kube-proxy and gateway has heard of it.

While it drains it answers /health with 200 and new requests with 500 (measured), so it must have left the endpoints
before.
"""


SURGE: Final[Manifest] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
"""Never below the asked number of replicas; it takes a spare accelerator during a change."""
IN_PLACE: Final[Manifest] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
"""An old replica ends, then a new one comes on its accelerator."""
RECREATE: Final[Manifest] = {"type": "Recreate"}


def make_cloud_deployment(service: InferenceService, settings: Settings) -> Manifest:
    """The cloud replicas. The service must have a cloud part. With autoscaling it does not say how many they are."""
    cloud = service.spec.cloud or Cloud()
    selector = cloud_selector(service)
    labels = component(ENGINE) | selector
    is_scaled = autoscaling_of(service) is not None
    scaled = {keys.SCALED_BY: keys.AUTOSCALER} if is_scaled else {}
    replicas = {} if is_scaled else {"replicas": replicas_of(service)}
    serving = _serving(service, settings)
    return manifest(
        "apps/v1",
        "Deployment",
        service.metadata.namespace,
        service.metadata.name,
        labels=labels,
        annotations={keys.SPEC_HASH: asked_of_cloud(service), **scaled},
        owner=owned_by(service),
        spec={
            **replicas,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": service.spec.timeouts.progress_deadline_seconds,
            "selector": {"matchLabels": selector},
            "strategy": {"InPlace": IN_PLACE, "Recreate": RECREATE}.get(cloud.rollout.strategy, SURGE),
            "template": _template(labels, serving, cloud, selector),
        },
    )


def autoscaling_of(service: InferenceService) -> Autoscaling | None:
    """By what load the number of replicas follows now. Of what is suspended nobody but the operator says it: none."""
    cloud = service.spec.cloud
    return None if cloud is None or service.spec.suspend else cloud.autoscaling


def replicas_of(service: InferenceService) -> int:
    """How many replicas the cloud part is to have now, where no autoscaler says it."""
    cloud = service.spec.cloud
    if cloud is None or service.spec.suspend:
        return 0
    return 1 if cloud.replicas is None else cloud.replicas


def with_replicas(made: Manifest, replicas: int) -> Manifest:
    """The same where no autoscaler is to be had: it says how many."""
    annotations = {key: text for key, text in made["metadata"]["annotations"].items() if key != keys.SCALED_BY}
    return {
        **made,
        "metadata": {**made["metadata"], "annotations": annotations},
        "spec": {"replicas": replicas, **made["spec"]},
    }


def replicas_alone(made: Manifest, replicas: int) -> Manifest:
    """Nothing but how many there are, to be handed over."""
    metadata = {key: made["metadata"][key] for key in ("name", "namespace")}
    return {
        "apiVersion": made["apiVersion"],
        "kind": made["kind"],
        "metadata": metadata,
        "spec": {"replicas": replicas},
    }


def _serving(service: InferenceService, settings: Settings) -> Serving:
    return Serving(
        service=service,
        engine=effective_engine(service, None, settings),
        weights=_weights(service, settings),
        nodes=nodes_of(service, None),
    )


def _weights(service: InferenceService, settings: Settings) -> Weights:
    model, cloud = service.spec.model, service.spec.cloud or Cloud()
    if not is_downloaded(model.uri):
        return mounted_weights(model.uri)
    if cloud.cache is not None and cloud.cache.image_volume is not None:
        return image_weights(model.uri, cloud.cache.image_volume)
    download = Download(
        service=service,
        uri=model.uri,
        revision=model.revision,
        way=Way.of(model),
        image=settings.operator_image,
    )
    return downloaded_weights(download, cache_in_cloud(cloud.cache))


def _template(labels: Mapping[str, str], serving: Serving, cloud: Cloud, selector: Mapping[str, str]) -> Manifest:
    template = engine_template(labels, serving, _pod(serving, cloud, selector))
    asked, ours = cloud.pod_metadata, template["metadata"]
    template["metadata"] = {
        "labels": asked.labels | ours["labels"],
        "annotations": asked.annotations | ours["annotations"],
    }
    return template


def _pod(serving: Serving, cloud: Cloud, selector: Mapping[str, str]) -> Manifest:
    pod = engine_pod(serving, engine_resources(cloud.resources, cloud.accelerator))
    pod["terminationGracePeriodSeconds"] += PRE_STOP_SECONDS
    # Said even where nothing is asked for: an account that was named once stays when the field is just left out.
    pod["serviceAccountName"] = cloud.service_account_name or "default"
    engine = pod["containers"][0]
    engine["lifecycle"] = {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}}
    engine["volumeMounts"] += own_mounts(cloud)
    pod["volumes"] += own_volumes(cloud)
    return pod | cloud_placement(cloud, selector) | pod_claims(cloud.accelerator)
