"""Label and annotation keys.

A parent's own labels and annotations are never copied to a child: Argo CD's tracking label among them would make it
claim and prune the children.
"""

from typing import Final

from edgeglm_api.group import GROUP

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "edgeglm-operator"

NAMESPACE: Final = "kubernetes.io/metadata.name"
"""Label that Kubernetes puts on each namespace: its name."""

NAME: Final = "app.kubernetes.io/name"
COMPONENT: Final = "app.kubernetes.io/component"
PART_OF: Final = "app.kubernetes.io/part-of"

SERVICE: Final = f"{GROUP}/inference-service"
"""The InferenceService that a child belongs to."""

PLACE: Final = f"{GROUP}/place"
"""`cloud` or `edge`: where a replica runs."""

TARGET: Final = f"{GROUP}/target"
"""The name of the entry of `spec.edge` that a child belongs to."""

SITE: Final = f"{GROUP}/site"
"""The EdgeSite that a child belongs to."""

INTENT_HASH: Final = f"{GROUP}/intent-hash"
"""Annotation: the digest of what the operator applied, so that an unchanged intent sends no request."""

SPEC_HASH: Final = f"{GROUP}/spec-hash"
"""Annotation on a Deployment: the digest of what the user asked for that its pods follow from."""

TEMPLATE: Final = f"{GROUP}/template"
"""Annotation on a Deployment: the pod template it was given, packed."""

LAST_GOOD: Final = f"{GROUP}/last-good-template"
"""Annotation on a Deployment: the last template, before the present one, of which all replicas served; packed."""

FAILED: Final = f"{GROUP}/failed-rollout"
"""Annotation on a Deployment: why the template that was asked for gave way to the last good one."""

SCALED_BY: Final = f"{GROUP}/scaled-by"
"""Annotation on a Deployment: who says how many replicas it has, where that is not the operator."""
AUTOSCALER: Final = "autoscaler"

REVISION: Final = f"{GROUP}/revision"
"""Label on pods: the digest of the template that they were made from."""

JOB: Final = "batch.kubernetes.io/controller-uid"
"""Label that Kubernetes puts on a Job's pods: the Job's uid."""

BUNDLE_GENERATION: Final = f"{GROUP}/bundle-generation"
"""Annotation on the bundle's ConfigMap: the generation that its content has."""

TOPOLOGY: Final = f"{GROUP}/topology"
"""Label on users' ConfigMaps, with any value: graphs may take their topology from it. No other is read."""

EDGE_NODE: Final = "node-role.kubernetes.io/edge"
"""The label by which KubeEdge itself knows an edge node (cloud/pkg/common/nodes/nodes.go, v1.23)."""

NODE_GROUP: Final = "apps.kubeedge.io/belonging-to"
"""The label that KubeEdge's NodeGroup controller puts on its member nodes."""
