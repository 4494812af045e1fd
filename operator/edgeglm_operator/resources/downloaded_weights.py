"""Weights from a hub: the init containers that bring them, one share after the other.

A pod has no way to say how far it is: no access to the API server, and at a site no address that the operator could
reach. But the kubelet tells of each container that ends, and what it said. So one download is dealt out to several
containers: each goes on where the one before it stopped, and says the percentage and when all will be there. `kubectl
get pods` shows it too, as `Init:2/5`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import msgspec

from edgeglm_api.download import ADAPTER, CONTAINER_PREFIX
from edgeglm_api.inference_service import Adapter, InferenceService
from edgeglm_api.inference_service import Download as Limits
from edgeglm_api.time_window import TimeWindow
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.own_directory import own_directory
from edgeglm_operator.resources.pod_security import container_context
from edgeglm_operator.resources.vllm import CACHE
from edgeglm_operator.resources.way_to_weights import Way
from edgeglm_operator.resources.weights import HUB, MODELSCOPE, MOUNT, OCI, S3, VOLUME, Weights
from edgeglm_operator.resources.weights_cache import WeightsCache

NO_LIMITS: Final = Limits()
_ALL: Final = 100
SHARES_PERCENT: Final = (10, 25, 50, 75, _ALL)
"""The first one early: it tells how long the rest will take."""

LINK: Final = f"{CACHE}/model"
"""What the engine serves: a link in the pod's own volume, to the commit that this pod keeps."""


_HOW: Final = ("--until=", "--max-bytes-per-second=", "--window=")


class _Variable(NamedTuple):
    """What the program reads, and the key of the Secret that it comes from."""

    name: str
    key: str
    is_optional: bool = False


_VARIABLES: Final[Mapping[str, tuple[_Variable, ...]]] = {
    HUB: (_Variable("HF_TOKEN", "token"),),
    MODELSCOPE: (_Variable("MODELSCOPE_API_TOKEN", "token"),),
    # The names that S3's own tools read, which many a Secret has already.
    S3: (
        _Variable("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"),
        _Variable("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"),
        _Variable("AWS_SESSION_TOKEN", "AWS_SESSION_TOKEN", is_optional=True),
        _Variable("AWS_REGION", "AWS_REGION", is_optional=True),
    ),
    # Those of a Secret of type kubernetes.io/basic-auth.
    OCI: (_Variable("OCI_USERNAME", "username"), _Variable("OCI_PASSWORD", "password")),
}
"""What opens a source, by its scheme."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What is to be brought, and how."""

    service: InferenceService
    uri: str
    revision: str | None
    way: Way
    image: str
    """Of the operator, which has the program in it."""
    limits: Limits = NO_LIMITS
    link: str = LINK


def downloaded_weights(download: Download, cache: WeightsCache) -> Weights:
    """Of a model on a hub, in a store that speaks S3, or in a registry."""
    owner = (own_directory("own-cache", download.image, VOLUME, MOUNT),) if cache.is_on_node else ()
    shares = (_container(download, cache, str(percent), until=percent) for percent in SHARES_PERCENT)
    adapters = download.service.spec.model.adapters
    brought = (_adapter(download, cache, adapter) for adapter in adapters)
    return Weights(
        model=LINK,
        volume=cache.volume,
        preparing=(*owner, *shares, *brought),
        adapters={adapter.name: _link_of(adapter) for adapter in adapters},
    )


def fetched_by(template: Manifest) -> frozenset[tuple[str, ...]]:
    """What the pods of a template have to have, and where from; not when, nor how fast."""
    containers = template["spec"].get("initContainers") or ()
    downloads = (each["args"] for each in containers if each["name"].startswith(CONTAINER_PREFIX))
    return frozenset(tuple(each for each in given if not each.startswith(_HOW)) for given in downloads)


def _adapter(download: Download, cache: WeightsCache, adapter: Adapter) -> Manifest:
    """Small beside the model, so in one go."""
    wanted = replace(download, uri=adapter.uri, revision=None, link=_link_of(adapter))
    return _container(wanted, cache, f"{ADAPTER}{adapter.name}", until=_ALL)


def _link_of(adapter: Adapter) -> str:
    return f"{CACHE}/{ADAPTER}{adapter.name}"


def _container(download: Download, cache: WeightsCache, name: str, *, until: int) -> Manifest:
    requests = {"cpu": "100m", "memory": "64Mi"}
    if cache.size:
        # So that the scheduler looks for a node that has it.
        requests["ephemeral-storage"] = cache.size
    return {
        "name": f"{CONTAINER_PREFIX}{name}",
        "image": download.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["edgeglm-download"],
        "args": [*_arguments(download, cache), f"--until={until}"],
        **_credentials(download),
        "resources": {"requests": requests, "limits": {"memory": "256Mi"}},
        "securityContext": container_context() | {"readOnlyRootFilesystem": True},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": VOLUME, "mountPath": MOUNT}, {"name": "cache", "mountPath": CACHE}],
    }


def _arguments(download: Download, cache: WeightsCache) -> list[str]:
    optional = {
        "revision": download.revision,
        "endpoint": download.way.endpoint,
        "proxy": download.way.proxy_url,
        "allowed-bytes": cache.allowed_bytes,
        "max-bytes-per-second": download.limits.max_bytes_per_second,
        "window": _json(download.limits.window),
    }
    given = [f"--{name}={value}" for name, value in optional.items() if value is not None]
    return [download.uri.removeprefix(HUB), f"--cache={MOUNT}", f"--link={download.link}", *given]


def _json(window: TimeWindow | None) -> str | None:
    return msgspec.json.encode(window).decode() if window else None


def _credentials(download: Download) -> Manifest:
    """Only here: the engine has no use for them, and whoever breaks into it none either."""
    secret = download.way.secret
    if secret is None:
        return {}
    return {"env": [_variable(secret.name, variable) for variable in _variables(download.uri)]}


def _variables(uri: str) -> tuple[_Variable, ...]:
    return next(variables for scheme, variables in _VARIABLES.items() if uri.startswith(scheme))


def _variable(secret: str, variable: _Variable) -> Manifest:
    optional = {"optional": True} if variable.is_optional else {}
    reference = {"name": secret, "key": variable.key, **optional}
    return {"name": variable.name, "valueFrom": {"secretKeyRef": reference}}
