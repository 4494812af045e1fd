"""From files to the bundle of one site, as the operator would compile it."""

import uuid
from typing import Final

import msgspec

from edgeglm_api.bundle import Bundle
from edgeglm_operator.offline.bad_input import BadInput
from edgeglm_operator.offline.render import PLACEHOLDER, Wishes, compile_sites

_UIDS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://edgeglm.io/")


def site_bundle(wishes: Wishes, site: str) -> Bundle:
    """The bundle of a site, without a generation. Raises BadInput when there is no such site, or a graph is refused."""
    found = {f"{at.metadata.namespace}/{at.metadata.name}": compiled for at, compiled in compile_sites(wishes)}
    chosen = [name for name in found if site in {name, name.partition("/")[2]}]
    if len(chosen) != 1:
        known = ", ".join(sorted(found)) or "none"
        raise BadInput(f"--site {site}: means {len(chosen)} of the sites that the files and nodes make: {known}")
    bundle, refusals = found[chosen[0]]
    if refusals:
        raise BadInput(*(f"SensorGraph {name}: {refused.message}" for name, refused in sorted(refusals.items())))
    graphs = tuple(msgspec.structs.replace(graph, uid=_uid(graph.uid)) for graph in bundle.graphs)
    return msgspec.structs.replace(bundle, site_uid=_uid(bundle.site_uid), graphs=graphs)


def _uid(given: str) -> str:
    """Without a cluster nobody gives UIDs; they follow from the names, so that the same files make the same bundle."""
    return str(uuid.uuid5(_UIDS, given)) if given.startswith(PLACEHOLDER) else given
