"""The ConfigMap that carries a site's bundle; KubeEdge brings it to the node."""

from edgeglm_api import labels
from edgeglm_api.bundle import BUNDLE_FILE, DIGEST_FILE, Bundle, digest, encode
from edgeglm_api.edge_site import EdgeSite
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.names import bundle_name
from edgeglm_operator.resources.selectors import BUNDLE, component


def make_bundle_config_map(site: EdgeSite, bundle: Bundle) -> Manifest:
    """The two files of a bundle."""
    return manifest(
        "v1",
        "ConfigMap",
        site.metadata.namespace,
        bundle_name(site.metadata.name),
        labels=component(BUNDLE) | {labels.SITE: site.metadata.name},
        annotations={labels.BUNDLE_GENERATION: str(bundle.generation)},
        owner=owned_by(site),
        data={BUNDLE_FILE: encode(bundle).decode(), DIGEST_FILE: digest(bundle)},
    )
