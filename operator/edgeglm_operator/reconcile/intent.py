"""What a child should say, and whether the live one does."""

import hashlib
from typing import Final

import msgspec

from edgeglm_api import labels
from edgeglm_operator.kube.client import Manifest
from edgeglm_operator.kube.kinds import Kind, kind_of
from edgeglm_operator.reconcile.drift import drift
from edgeglm_operator.reconcile.world import World
from edgeglm_operator.store import Name

HASH_LENGTH: Final = 16


def stamped(intent: Manifest) -> Manifest:
    """The intent with its digest as an annotation, so that what the intent no longer says counts as a change too."""
    digest = hashlib.sha256(msgspec.json.encode(intent, order="deterministic")).hexdigest()[:HASH_LENGTH]
    metadata = intent["metadata"]
    annotations = {**metadata.get("annotations", {}), labels.INTENT_HASH: digest}
    return {**intent, "metadata": {**metadata, "annotations": annotations}}


def identity_of(manifest: Manifest) -> tuple[Kind, Name]:
    """The kind and the name of a manifest."""
    metadata = manifest["metadata"]
    return kind_of(manifest["apiVersion"], manifest["kind"]), Name(metadata["namespace"], metadata["name"])


def is_settled(world: World, live: Manifest, intent: Manifest) -> bool:
    """The live object says what the intent says, or is as near to it as the server lets it be, or is on its way out."""
    if live["metadata"].get("deletionTimestamp"):
        return True
    settled, name, version = _settled(world, intent), identity_of(intent)[1], _version(live, intent)
    if settled.get(name) == version:
        return True
    if drift(live, intent) is not None:
        return False
    settled[name] = version
    return True


def remember_settled(world: World, live: Manifest, intent: Manifest) -> str | None:
    """Note what our apply led to; returns the path of what the server keeps otherwise than we said."""
    _settled(world, intent)[identity_of(intent)[1]] = _version(live, intent)
    return drift(live, intent)


def _settled(world: World, intent: Manifest) -> dict[Name, tuple[str, str]]:
    return world.store.snapshots(identity_of(intent)[0]).settled


def _version(live: Manifest, intent: Manifest) -> tuple[str, str]:
    return live["metadata"]["resourceVersion"], intent["metadata"]["annotations"][labels.INTENT_HASH]
