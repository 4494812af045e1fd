"""How children are called. Names are DNS-1035 labels: they become host names, label values and parts of pod names."""

import hashlib
import re
from typing import Final

MAX_LENGTH: Final = 63
MAX_GROUPS_LENGTH: Final = 45
"""Pods are called by it and two numbers, and StatefulSets put a hash behind that in a label."""
MAX_SITE_LENGTH: Final = 52
"""A rule of the CRD: names that are made of a site's name need room."""
_HASH_LENGTH: Final = 8
_INVALID: Final = re.compile(r"[^a-z0-9-]+")


def edge_deployment_name(service: str, target: str, node: str) -> str:
    """`<service>-<target>-<node>`.

    A dash in the target's name would let two targets of one service meet (`a` on `b-c`, `a-b` on `c`), and both would
    have the same owner, so such a name gets the hash too. Names of different services can meet as well; there the owner
    differs, and the second one is refused.
    """
    return _label(service, target, node, ambiguous="-" in target)


def groups_name(service: str) -> str:
    """The LeaderWorkerSet: `<service>-nodes`. Its controller makes a headless Service of the same name."""
    return _label(service, "nodes", limit=MAX_GROUPS_LENGTH)


def verification_job_name(service: str, revision: str, concurrency: int) -> str:
    """`<service>-verify-<revision>-<concurrency>`: what was verified, and how. Another one is another Job."""
    return _label(service, "verify", revision, str(concurrency))


def site_name(node: str) -> str:
    """The EdgeSite of a node, called like the node wherever that is a DNS-1035 label."""
    return _label(node, limit=MAX_SITE_LENGTH)


def agent_name(site: str) -> str:
    """The agent's Deployment."""
    return _label(site, "agent")


def bundle_name(site: str) -> str:
    """The ConfigMap that holds a site's bundle. Patched in place: KubeEdge loses one that is made anew (rule O11)."""
    return _label(site, "bundle")


def report_secret_name(site: str, epoch: int) -> str:
    """The Secret that the agent reports with. Another epoch is another Secret: nobody may change one."""
    return _label(site, "report", str(epoch))


def key_volume_name(secret: str) -> str:
    """The agent's volume that holds a Secret, whose own name may be longer and have dots."""
    return _label("key", secret)


def broker_volume_name(secret: str, part: str) -> str:
    """The agent's volume that holds a part of a broker's Secret."""
    return _label("broker", part, secret)


def endpoint_name(service: str, *, at_site: bool) -> str:
    """What a service is called in the bundles of its sites: its own replica there, or those in the cloud."""
    return f"{service}-{'edge' if at_site else 'cloud'}"


def endpoint_volume_name(secret: str, part: str) -> str:
    """The agent's volume that holds a part of a Secret of a graph's own endpoint."""
    return _label("endpoint", part, secret)


def _label(*parts: str, ambiguous: bool = False, limit: int = MAX_LENGTH) -> str:
    """The parts joined by dashes; with a hash of them when that is no DNS-1035 label, or does not tell them apart."""
    joined = "-".join(parts)
    label = _INVALID.sub("-", joined.lower()).strip("-")
    if not label[:1].isalpha():
        label = f"n-{label}".rstrip("-")
    if label == joined and len(label) <= limit and not ambiguous:
        return label
    return f"{label[: limit - _HASH_LENGTH - 1].rstrip('-')}-{_hash(parts)}"


def _hash(parts: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_HASH_LENGTH]
