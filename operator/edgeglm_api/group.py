"""The API group, its version and its kinds, in one place."""

from typing import Final

GROUP: Final = "edgeglm.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

INFERENCE_SERVICE: Final = "InferenceService"
SENSOR_GRAPH: Final = "SensorGraph"
EDGE_SITE: Final = "EdgeSite"

PLURALS: Final = {
    INFERENCE_SERVICE: "inferenceservices",
    SENSOR_GRAPH: "sensorgraphs",
    EDGE_SITE: "edgesites",
}
