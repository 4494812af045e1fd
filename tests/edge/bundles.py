"""Small builders of bundles, as the operator would compile them."""

from pathlib import Path
from typing import Any

import msgspec

from edgeglm_api.bundle import (
    API_VERSION,
    BUNDLE_FILE,
    DIGEST_FILE,
    Broker,
    Bundle,
    Endpoint,
    Graph,
    Limits,
    Reasoning,
    digest,
    encode,
)
from edgeglm_api.sensor_graph import (
    EntityRef,
    GraphCaps,
    Measurement,
    Output,
    PartitionBy,
    Question,
    Source,
    SourceRelation,
    Timestamp,
    When,
    Window,
)
from edgeglm_api.sensor_graph import Limits as AlarmLimits

GRAPH_UID = "5d1c1f2e-0000-4000-8000-000000000001"
SITE_UID = "5d1c1f2e-0000-4000-8000-00000000000a"


def a_source(**changes: Any) -> Source:
    source = Source(
        name="vibration",
        topic="plant/{line}/{machine}/vibration",
        entity=EntityRef(type="Machine", id="{line}/{machine}"),
        measurements=(
            Measurement(
                property="rms",
                path="$.rms",
                unit="mm/s",
                min=0.0,
                max=50.0,
                limits=AlarmLimits(high=7.1, high_high=11.0),
            ),
        ),
        timestamp=Timestamp(path="$.ts", format="Seconds"),
        relations=(SourceRelation(type="partOf", to=EntityRef(type="Line", id="{line}")),),
    )
    return msgspec.structs.replace(source, **changes)


def a_graph(**changes: Any) -> Graph:
    graph = Graph(
        name="line-1",
        uid=GRAPH_UID,
        broker=Broker(url="mqtt://127.0.0.1:1883"),
        sources=(a_source(),),
        window=Window(
            size_seconds=1,
            partition_by=PartitionBy(entity_type="Line"),
            allowed_lateness_seconds=1,
            idle_timeout_seconds=2,
        ),
        graph=GraphCaps(max_nodes=12, max_edges=24),
        question=Question(when=When(detectors=("Limit", "ZScore"))),
        reasoning=Reasoning(
            route="EdgeOnly",
            endpoints=("engine",),
            attempt_timeout_seconds=5,
            fresh_for_seconds=600,
            max_tokens=256,
        ),
        output=Output(topic="insights/{graph}/{partition}"),
    )
    return msgspec.structs.replace(graph, **changes)


def a_bundle(*graphs: Graph, **changes: Any) -> Bundle:
    bundle = Bundle(
        api_version=API_VERSION,
        namespace="plant",
        site="edge-1",
        site_uid=SITE_UID,
        generation=1,
        graphs=graphs or (a_graph(),),
        endpoints=(Endpoint(name="engine", url="http://127.0.0.1:8000/v1", model="tiny", place="Edge"),),
        limits=Limits(spool_max_bytes=256 * 1024 * 1024, max_concurrency=2),
    )
    return msgspec.structs.replace(bundle, **changes)


def write_bundle(folder: Path, bundle: Bundle) -> None:
    """Write the two files; the digest last, so that a look in between sees a mismatch and looks again."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BUNDLE_FILE).write_bytes(encode(bundle))
    (folder / DIGEST_FILE).write_text(digest(bundle))
