"""The bundle says the same thing in the same bytes, and refuses what it does not understand."""

import msgspec
import pytest

from edgeglm_api import bundle
from edgeglm_api.bundle import Broker, Bundle, Endpoint, Graph, Limits, Reasoning
from edgeglm_api.model import InvalidObject
from edgeglm_api.sensor_graph import EntityRef, Measurement, Output, Source, Window


def a_graph(name: str = "line-1") -> Graph:
    return Graph(
        name=name,
        uid=f"uid-of-{name}",
        broker=Broker(url="mqtt://127.0.0.1:1883"),
        sources=(
            Source(
                name="vibration",
                topic="plant/{line}/{machine}/vibration",
                entity=EntityRef(type="Machine", id="{line}/{machine}"),
                measurements=(Measurement(property="rms", path="$.rms", unit="mm/s"),),
            ),
        ),
        window=Window(size_seconds=10),
        reasoning=Reasoning(
            route="PreferEdge",
            endpoints=("edge",),
            attempt_timeout_seconds=20,
            fresh_for_seconds=30,
            max_tokens=256,
        ),
        output=Output(topic="insights/{graph}/{partition}"),
    )


def a_bundle(*, generation: int = 1, graphs: tuple[Graph, ...] = ()) -> Bundle:
    return Bundle(
        api_version=bundle.API_VERSION,
        namespace="plant",
        site="edge-1",
        site_uid="site-uid",
        generation=generation,
        graphs=graphs or (a_graph(),),
        endpoints=(Endpoint(name="edge", url="http://127.0.0.1:8000/v1", model="glm", place="Edge"),),
        limits=Limits(spool_max_bytes=1 << 30, max_concurrency=2),
    )


def test_what_is_written_reads_back_as_it_was() -> None:
    assert bundle.decode(bundle.encode(a_bundle())) == a_bundle()


def test_the_digest_counts_the_content_and_not_the_generation() -> None:
    assert bundle.digest(a_bundle(generation=1)) == bundle.digest(a_bundle(generation=2))
    assert bundle.digest(a_bundle()) != bundle.digest(a_bundle(graphs=(a_graph("line-2"),)))


def test_a_field_that_this_agent_does_not_know_is_refused_and_not_passed_over() -> None:
    raw = msgspec.json.decode(bundle.encode(a_bundle()))
    raw["graphs"][0]["colour"] = "red"
    with pytest.raises(InvalidObject, match="does not know"):
        bundle.decode(bundle.canonical(raw))


def test_json_that_is_not_canonical_is_refused() -> None:
    with pytest.raises(InvalidObject, match="canonical"):
        bundle.decode(msgspec.json.format(bundle.encode(a_bundle()), indent=2))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[]", "Expected `object`"),
        (b'{"apiVersion":"agent.edgeglm.io/v1"}', "missing required field"),
        (bundle.encode(a_bundle()).replace(b"agent.edgeglm.io/v1", b"agent.edgeglm.io/v9"), "apiVersion: is 'agent"),
        (
            bundle.encode(a_bundle()).replace(b'"sizeSeconds":10', b'"sizeSeconds":"x"'),
            r"graphs\[0\].window.sizeSeconds: Expected",
        ),
    ],
)
def test_what_is_no_bundle_is_refused_with_the_place(raw: bytes, says: str) -> None:
    with pytest.raises(InvalidObject, match=says):
        bundle.decode(raw)
