"""A Deployment keeps the pod template that it was given until something else is asked of its pods.

So an upgrade of the operator, which may make other pods of the same wish, restarts none. Whoever wants the template of
the release that runs takes the annotation with the present one away.
"""

from edgeglm_api import labels
from edgeglm_operator.observed import Deployment
from edgeglm_operator.reconcile.revision import pack, unpack, with_revision
from edgeglm_operator.resources.manifest import Manifest


def is_other(made: Manifest, live: Deployment) -> bool:
    """Whether something else is asked of its pods than when the Deployment was given its template."""
    asked: str = made["metadata"]["annotations"][labels.SPEC_HASH]
    return live.notes.get(labels.SPEC_HASH) != asked


def template_of(live: Deployment) -> Manifest | None:
    """The template that it was given; None when it has no note of one, or of what it was made for."""
    return unpack(live.notes.get(labels.TEMPLATE, "")) if labels.SPEC_HASH in live.notes else None


def as_before(made: Manifest, live: Deployment) -> Manifest:
    """What the maker made, as if its pods were asked for as before. There is a note of those: `template_of` knows."""
    annotations = made["metadata"]["annotations"] | {labels.SPEC_HASH: live.notes[labels.SPEC_HASH]}
    return keeping_template({**made, "metadata": {**made["metadata"], "annotations": annotations}}, live)


def keeping_template(made: Manifest, live: Deployment | None) -> Manifest:
    """What the maker made, with the template to have and a note of it. The maker notes what its pods follow from."""
    metadata, spec = made["metadata"], made["spec"]
    notes = live.notes if live else {}
    text = notes.get(labels.TEMPLATE, "")
    template = unpack(text)
    if template is None or live is None or is_other(made, live):
        template = with_revision(spec["template"])
        text = pack(template)
    return {
        **made,
        "metadata": {**metadata, "annotations": metadata["annotations"] | {labels.TEMPLATE: text}},
        "spec": {**spec, "template": template},
    }
