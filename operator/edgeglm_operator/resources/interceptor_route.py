"""The InterceptorRoute of KEDA's HTTP Add-on: which requests are for the cloud replicas, and how long they may wait.

Its fields are those of v1beta1 of kedacore/http-add-on (config/crd/bases, 0.15).
"""

from edgeglm_api.inference_service import Autoscaling, InferenceService
from edgeglm_operator.resources.http_addon import host_of
from edgeglm_operator.resources.load_target import load_target
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.selectors import ENGINE, cloud_selector, component
from edgeglm_operator.resources.vllm import PORT
from edgeglm_operator.settings import Settings


def make_interceptor_route(service: InferenceService, asked: Autoscaling, settings: Settings) -> Manifest:
    """Requests for the Service's host name; each waits for a replica as long as one may take to start."""
    timeouts = service.spec.timeouts
    return manifest(
        "http.keda.sh/v1beta1",
        "InterceptorRoute",
        service.metadata.namespace,
        service.metadata.name,
        labels=component(ENGINE) | cloud_selector(service),
        owner=owned_by(service),
        spec={
            "target": {"service": service.metadata.name, "port": PORT},
            "rules": [{"hosts": [host_of(service)]}],
            "scalingMetric": {"concurrency": {"targetValue": load_target(service, asked, settings).in_flight}},
            # Of an answer that is not streamed the headers come with its end; the add-on's own bound is 300 s.
            "timeouts": {
                "readiness": f"{timeouts.startup_seconds}s",
                "responseHeader": f"{timeouts.request_seconds}s",
            },
        },
    )
