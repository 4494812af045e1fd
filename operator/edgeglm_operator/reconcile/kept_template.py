"""A Deployment keeps the pod template that it was given until something else is asked of its pods.

So an upgrade of the operator, which may make other pods of the same wish, restarts none. Whoever wants the template of
the release that runs takes the annotation with the present one away.
"""

from edgeglm_api import labels
from edgeglm_operator.observed import Deployment
from edgeglm_operator.reconcile.revision import pack, unpack, with_revision
from edgeglm_operator.resources.manifest import Manifest


def keeping_template(made: Manifest, live: Deployment | None) -> Manifest:
    """What the maker made, with the template to have and a note of it. The maker notes what its pods follow from."""
    metadata, spec = made["metadata"], made["spec"]
    notes = live.notes if live else {}
    text = notes.get(labels.TEMPLATE, "")
    template = unpack(text)
    if template is None or notes.get(labels.SPEC_HASH) != metadata["annotations"][labels.SPEC_HASH]:
        template = with_revision(spec["template"])
        text = pack(template)
    return {
        **made,
        "metadata": {**metadata, "annotations": metadata["annotations"] | {labels.TEMPLATE: text}},
        "spec": {**spec, "template": template},
    }
