"""How the source of a model is reached, in the cloud and at an edge target that has a model of its own."""

from dataclasses import dataclass
from typing import Self

from edgeglm_api.inference_service import EdgeModelSource, ModelSource, SecretRef


@dataclass(frozen=True, slots=True)
class Way:
    """None of any is the source's own default."""

    endpoint: str | None = None
    proxy_url: str | None = None
    secret: SecretRef | None = None

    @classmethod
    def of(cls, source: ModelSource | EdgeModelSource) -> Self:
        """As it is said there."""
        return cls(source.endpoint, source.proxy_url, source.credentials_secret_ref)


def way_at_edge(model: ModelSource, own: EdgeModelSource | None) -> Way:
    """The target's own, if it says anything of it; else that of `spec.model`, where both are of one kind.

    All or nothing: what opens one place is not shown to another.
    """
    if own is None:
        return Way.of(model)
    said = Way.of(own)
    if said != Way() or _scheme(own.uri) != _scheme(model.uri):
        return said
    return Way.of(model)


def _scheme(uri: str) -> str:
    return uri.partition("://")[0]
