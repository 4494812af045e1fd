"""The EdgeSite of a node, where the user has not made one."""

from collections.abc import Mapping, Sequence

from edgeglm_api.group import API_VERSION, EDGE_SITE
from edgeglm_operator.resources.manifest import Manifest, OwnerRef, manifest
from edgeglm_operator.resources.names import site_name


def make_edge_site(
    namespace: str, node: str, owners: Sequence[OwnerRef], *, labels: Mapping[str, str] | None = None
) -> Manifest:
    """The site that the owners select.

    They own it without controlling it, and it goes with the last of them. So never give owners to a site that a user
    made: the garbage collector would delete it with them. `labels` are those by which the operator knows its own.
    """
    site = manifest(API_VERSION, EDGE_SITE, namespace, site_name(node), labels=labels or {}, spec={"nodeName": node})
    references = [owner.write() | {"controller": False} for owner in owners]
    if references:
        site["metadata"]["ownerReferences"] = sorted(references, key=lambda owner: (owner["kind"], owner["name"]))
    return site
