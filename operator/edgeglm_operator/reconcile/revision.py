"""A pod template with an identity, and how a Deployment remembers one.

A Deployment carries the template that it was given, as we wrote it, in an annotation: the live one holds the server's
defaults and other people's fields too, and a later release of the operator would write another one. So any process can
keep a template, or go back to one. Going back reuses the old ReplicaSet, and with it the pods that still serve.
"""

import base64
import binascii
import hashlib
import zlib
from typing import Final

import msgspec

from edgeglm_api import labels
from edgeglm_operator.resources.manifest import Manifest

REVISION_LENGTH: Final = 10


def with_revision(template: Manifest) -> Manifest:
    """The template with its own digest as a label, by which its pods are told from those of another one."""
    digest = hashlib.sha256(_text(template)).hexdigest()[:REVISION_LENGTH]
    metadata = template["metadata"]
    return {**template, "metadata": {**metadata, "labels": {**metadata["labels"], labels.REVISION: digest}}}


def revision_of(template: Manifest) -> str:
    """The digest that `with_revision` gave it."""
    revision: str = template["metadata"]["labels"][labels.REVISION]
    return revision


def pack(template: Manifest) -> str:
    """For an annotation. A third of the size of plain JSON; ReplicaSets get a copy each."""
    return base64.b64encode(zlib.compress(_text(template), 9)).decode()


def repack(template: Manifest, present: str) -> str:
    """The present annotation if it says the same, else a new one: another release's compressor writes it otherwise."""
    return present if unpack(present) == template else pack(template)


def unpack(text: str) -> Manifest | None:
    """The template; None when somebody has spoiled the annotation, or there is none."""
    try:
        template: Manifest = msgspec.json.decode(zlib.decompress(base64.b64decode(text, validate=True)))
        revision_of(template)
    except (binascii.Error, zlib.error, msgspec.DecodeError, LookupError, TypeError):
        return None
    return template


def _text(template: Manifest) -> bytes:
    return msgspec.json.encode(template, order="deterministic")
