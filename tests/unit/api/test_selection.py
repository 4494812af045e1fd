"""Which nodes are sites: edge nodes only, by exactly one way of choosing."""

import pytest

from edgeglm_api import labels
from edgeglm_api.selection import Sites, selects

EDGE = {labels.EDGE_NODE: ""}


@pytest.mark.parametrize(
    ("sites", "node_labels", "selected"),
    [
        (Sites(node_names=("box-1",)), EDGE, True),
        (Sites(node_names=("box-2",)), EDGE, False),
        (Sites(node_names=("box-1",)), {}, False),
        (Sites(node_group="hangzhou"), EDGE | {labels.NODE_GROUP: "hangzhou"}, True),
        (Sites(node_group="hangzhou"), EDGE | {labels.NODE_GROUP: "berlin"}, False),
        (Sites(node_group="hangzhou"), {labels.NODE_GROUP: "hangzhou"}, False),
        (Sites(node_selector={"line": "1", "gpu": "yes"}), EDGE | {"line": "1", "gpu": "yes"}, True),
        (Sites(node_selector={"line": "1", "gpu": "yes"}), EDGE | {"line": "1"}, False),
        (Sites(node_selector={}), EDGE, False),
        (Sites(), EDGE, False),
    ],
)
def test_selection(sites: Sites, node_labels: dict[str, str], selected: bool) -> None:  # noqa: FBT001
    assert selects(sites, node="box-1", node_labels=node_labels) is selected
