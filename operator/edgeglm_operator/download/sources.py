"""Which source a model's URI means, and what opens it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edgeglm_operator.download import hub, modelscope, registry, s3
from edgeglm_operator.download.access import Access
from edgeglm_operator.download.hub import Hub
from edgeglm_operator.download.modelscope import ModelScope
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.registry import Registry, reference_of
from edgeglm_operator.download.s3 import S3
from edgeglm_operator.download.source import Source
from edgeglm_operator.download.web import Web

HUB_TOKEN: Final = "HF_TOKEN"  # noqa: S105 - the variable's name
MODELSCOPE_TOKEN: Final = "MODELSCOPE_API_TOKEN"  # noqa: S105 - as above


_HOSTS: Final = {"docker.io": "registry-1.docker.io"}
"""Where a registry is not at its own name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A model, and how it is reached. Empty is the source's own default."""

    model: str
    """OWNER/NAME of the hub, or a URI."""
    revision: str = ""
    endpoint: str = ""
    proxy: str = ""


def source_of(wanted: Wanted, environment: Mapping[str, str], patience: Patience) -> Source:
    """The source, opened by what the environment has for it."""
    if wanted.model.startswith(modelscope.SCHEME):
        return _modelscope(wanted, environment, patience)
    if wanted.model.startswith(s3.SCHEME):
        return _s3(wanted, environment, patience)
    if wanted.model.startswith(registry.SCHEME):
        return _registry(wanted, environment, patience)
    return Hub(
        web=Web(environment.get(HUB_TOKEN, ""), wanted.proxy),
        patience=patience,
        repository=wanted.model,
        endpoint=(wanted.endpoint or hub.ENDPOINT).rstrip("/"),
    )


def _modelscope(wanted: Wanted, environment: Mapping[str, str], patience: Patience) -> ModelScope:
    return ModelScope(
        web=Web(environment.get(MODELSCOPE_TOKEN, ""), wanted.proxy, cookie=modelscope.COOKIE),
        patience=patience,
        repository=wanted.model.removeprefix(modelscope.SCHEME),
        revision=wanted.revision or modelscope.DEFAULT_REVISION,
        endpoint=(wanted.endpoint or modelscope.ENDPOINT).rstrip("/"),
    )


def _s3(wanted: Wanted, environment: Mapping[str, str], patience: Patience) -> S3:
    bucket, _, prefix = wanted.model.removeprefix(s3.SCHEME).partition("/")
    region = environment.get("AWS_REGION") or s3.DEFAULT_REGION
    return S3(
        web=_signing(environment, region, wanted.proxy),
        patience=patience,
        bucket=bucket,
        prefix=prefix.strip("/"),
        endpoint=(wanted.endpoint or f"https://s3.{region}.amazonaws.com").rstrip("/"),
    )


def _signing(environment: Mapping[str, str], region: str, proxy: str) -> Web:
    """Nobody is asked for keys but the environment: the node's own would open what is not this namespace's."""
    key_id, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not (key_id and secret):
        return Web(proxy=proxy)
    # Not above: only models of S3 are to wait for the library.
    from edgeglm_operator.download.signature import signature  # noqa: PLC0415

    return Web(proxy=proxy, sign=signature(key_id, secret, environment.get("AWS_SESSION_TOKEN"), region))


def _registry(wanted: Wanted, environment: Mapping[str, str], patience: Patience) -> Registry:
    reference = reference_of(wanted.model.removeprefix(registry.SCHEME))
    host = _HOSTS.get(reference.registry, reference.registry)
    endpoint = (wanted.endpoint or f"https://{host}").rstrip("/")
    user, password = environment.get("OCI_USERNAME", ""), environment.get("OCI_PASSWORD", "")
    asking = Web(proxy=wanted.proxy, is_known=bool(user))
    access = Access(asking, endpoint, reference.name, user=user, password=password, clock=time.monotonic)
    return Registry(
        web=Web(proxy=wanted.proxy, sign=access.sign, is_known=bool(user)),
        patience=patience,
        reference=reference,
        endpoint=endpoint,
    )
