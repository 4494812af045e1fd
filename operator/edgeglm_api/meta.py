"""The part of `metadata` that the operator reads."""

from edgeglm_api.model import Model


class Metadata(Model, frozen=True, kw_only=True):
    """Who the object is. Its labels and annotations are left out on purpose: nothing of ours follows from them."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str = ""
    """RFC 3339; who was there first keeps a port of a node."""
    deletion_timestamp: str | None = None
