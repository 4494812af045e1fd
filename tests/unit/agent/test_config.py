"""Bundles: what is wrong with one is said with the field's path, and a broken one never replaces a good one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeglm_agent.config.directory import DirectorySource
from edgeglm_agent.config.last_good import LastGood
from edgeglm_agent.config.problem import BundleRejected, Verdict
from edgeglm_agent.config.trust import Trust
from edgeglm_agent.config.verify import Received, Verified, succeeds, verify
from edgeglm_agent.main import main
from edgeglm_api.bundle import Broker, Bundle, Endpoint, Limits, digest, encode
from edgeglm_api.sensor_graph import (
    EntityRef,
    Measurement,
    Output,
    Quality,
    Question,
    Timestamp,
    Topology,
    TopologyEdge,
    TopologyNode,
)
from tests.edge.bundles import a_bundle, a_graph, a_source, write_bundle
from tests.unit.agent.watched import Watched


def received(bundle: Bundle) -> Received:
    return Received(encode(bundle), digest(bundle) + "\n")


def with_source(**changes: object) -> Bundle:
    return a_bundle(a_graph(sources=(a_source(**changes),)))


def measuring(**rules: Any) -> Bundle:
    return with_source(measurements=(Measurement(**{"property": "x", "path": "$.x"} | rules),))


def in_senml(source: dict[str, Any] | None = None, /, **rules: Any) -> Bundle:
    measurements = (Measurement(**{"property": "x"} | rules),)
    return with_source(**{"format": "SenML", "timestamp": None, "measurements": measurements} | (source or {}))


def in_sensor_things(source: dict[str, Any] | None = None, /, **rules: Any) -> Bundle:
    return in_senml({"format": "SensorThings"} | (source or {}), **rules)


def asking(**changes: Any) -> Bundle:
    (engine,) = a_bundle().endpoints
    return a_bundle(endpoints=(msgspec.structs.replace(engine, **changes),))


ECHO = a_source(topic="insights/{line}/{machine}")
"""Hears the answers of `a_graph`."""


@pytest.mark.parametrize(
    ("bundle", "field"),
    [
        (with_source(topic="plant/{line"), "graphs[0].sources[0].topic"),
        (with_source(entity=EntityRef(type="M", id="{hall}")), "graphs[0].sources[0].entity.id"),
        (with_source(measurements=()), "graphs[0].sources[0].measurements"),
        (with_source(measurements=(Measurement(property="x", path="x"),)), "graphs[0].sources[0].measurements[0].path"),
        (with_source(timestamp=Timestamp(path="$.")), "graphs[0].sources[0].timestamp.path"),
        (a_bundle(a_graph(sources=())), "graphs[0].sources"),
        (a_bundle(a_graph(sources=(a_source(), a_source()))), "graphs[0].sources[1].name"),
        (a_bundle(a_graph(), a_graph()), "graphs[1].uid"),
        (a_bundle(a_graph(broker=Broker(url="http://x"))), "graphs[0].broker.url"),
        (a_bundle(a_graph(broker=Broker(url="mqtt://${site.broker}"))), "graphs[0].broker.url"),
        (a_bundle(a_graph(broker=Broker(url="mqtt://h", ca_file="/ca.crt"))), "graphs[0].broker.caFile"),
        (asking(url="http://h/v1", ca_file="/ca.crt"), "endpoints[0].caFile"),
        (asking(url="h/v1"), "endpoints[0].url"),
        (
            a_bundle(a_graph(), a_graph(uid="other", broker=Broker(url="mqtt://127.0.0.1:1883", credentials="/me"))),
            "graphs[1].broker",
        ),
        (a_bundle(a_graph(output=Output(topic="a/+"))), "graphs[0].output.topic"),
        (a_bundle(a_graph(output=Output(topic="$hw/events"))), "graphs[0].output.topic"),
        (a_bundle(a_graph(output=Output(topic="plant/{graph}/{partition}/vibration"))), "graphs[0].output.topic"),
        (a_bundle(a_graph(output=Output(topic="plant/{partition}/vibration"))), "graphs[0].output.topic"),
        (a_bundle(a_graph(), a_graph(name="b", uid="b", sources=(ECHO,))), "graphs[0].output.topic"),
        (a_bundle(a_graph(name="b", uid="b", sources=(ECHO,)), a_graph()), "graphs[1].output.topic"),
        (a_bundle(endpoints=()), "graphs[0].reasoning.endpoints[0]"),
        (a_bundle(endpoints=(Endpoint(name="engine", url="ftp://x", model="m", place="Edge"),)), "endpoints[0].url"),
        (a_bundle(a_graph(question=Question(task="LinkCompletion"))), "graphs[0].question.relationTypes"),
        (a_bundle(a_graph(question=Question(task="Classification", labels=("a",)))), "graphs[0].question.labels"),
        (a_bundle(a_graph(question=Question(task="Custom"))), "graphs[0].question.instructions"),
        (a_bundle(site_uid="../../etc"), "siteUID"),
        (a_bundle(limits=Limits(spool_max_bytes=10, max_concurrency=1)), "limits.spoolMaxBytes"),
        (
            a_bundle(
                a_graph(
                    topology=Topology(
                        nodes=(TopologyNode(id="a", type="A"),),
                        edges=(TopologyEdge(source="a", target="b", type="x"),),
                    )
                )
            ),
            "graphs[0].topology.edges[0].target",
        ),
        (with_source(format="SenML", timestamp=None), "graphs[0].sources[0].measurements[0]"),
        (in_senml(name="{"), "graphs[0].sources[0].measurements[0].name"),
        (in_senml(name="{a}{b}"), "graphs[0].sources[0].measurements[0].name"),
        (in_senml(name="a", quality=Quality(path="$.q", good=("1",))), "graphs[0].sources[0].measurements[0]"),
        (in_senml({"timestamp": Timestamp(path="$.t")}, name="a"), "graphs[0].sources[0].timestamp"),
        (in_senml({"for_each": "$.a[*]"}, name="a"), "graphs[0].sources[0].forEach"),
        (in_senml({"entity": EntityRef(type="M", id="{$.a}")}, name="a"), "graphs[0].sources[0].entity.id"),
        (in_senml({"entity": EntityRef(type="M", id="{mac}")}, name="a"), "graphs[0].sources[0].entity.id"),
        (in_sensor_things({"timestamp": Timestamp(path="$.t")}), "graphs[0].sources[0].timestamp"),
        (in_sensor_things(path="result"), "graphs[0].sources[0].measurements[0].path"),
        (in_sensor_things(name="{"), "graphs[0].sources[0].measurements[0].name"),
        (in_sensor_things({"entity": EntityRef(type="M", id="{ds}")}), "graphs[0].sources[0].entity.id"),
        (measuring(name="a"), "graphs[0].sources[0].measurements[0]"),
        (with_source(for_each="$.items"), "graphs[0].sources[0].forEach"),
        (measuring(path="$.a[*]"), "graphs[0].sources[0].measurements[0].path"),
        (measuring(map={"ON": "on"}), "graphs[0].sources[0].measurements[0].map"),
        (measuring(type="Boolean", map={"ON": "1"}), "graphs[0].sources[0].measurements[0].map"),
        (measuring(quality=Quality(path="q", good=("1",))), "graphs[0].sources[0].measurements[0].quality.path"),
        (with_source(entity=EntityRef(type="M", id="{$.a[}")), "graphs[0].sources[0].entity.id"),
    ],
)
def test_each_problem_is_told_with_its_field(bundle: Bundle, field: str) -> None:
    with pytest.raises(BundleRejected) as rejected:
        verify(received(bundle))
    assert rejected.value.verdict is Verdict.INVALID
    assert field in [problem.field for problem in rejected.value.problems]


def test_graphs_on_different_brokers_do_not_hear_each_other() -> None:
    listener = a_graph(name="b", uid="b", sources=(ECHO,), output=Output(topic="told"))
    with pytest.raises(BundleRejected, match=r"is heard by graphs\[1\].sources\[0\]"):
        verify(received(a_bundle(a_graph(), listener)))
    elsewhere = msgspec.structs.replace(listener, broker=Broker(url="mqtt://127.0.0.2:1883"))
    assert len(verify(received(a_bundle(a_graph(), elsewhere))).bundle.graphs) == 2


@pytest.mark.parametrize(
    ("spoil", "verdict"),
    [
        (lambda _: b"", Verdict.MALFORMED),
        (lambda raw: raw[:-1], Verdict.MALFORMED),
        (lambda raw: raw + b" ", Verdict.MALFORMED),
        (lambda raw: raw.replace(b"agent.edgeglm.io/v1", b"agent.edgeglm.io/v2"), Verdict.MALFORMED),
        (lambda raw: raw.replace(b'"tiny"', b'"huge"'), Verdict.DIGEST_MISMATCH),
        (lambda _: b"[" * 200_000, Verdict.TOO_LARGE),
        (lambda _: b"[" * 100_000, Verdict.MALFORMED),
        (lambda _: b"\xff" * 10, Verdict.MALFORMED),
    ],
)
def test_bytes_that_are_no_bundle_are_refused(spoil: Callable[[bytes], bytes], verdict: Verdict) -> None:
    good = received(a_bundle())
    with pytest.raises(BundleRejected) as rejected:
        verify(Received(spoil(good.raw), good.digest))
    assert rejected.value.verdict is verdict


def verified(**changes: object) -> Verified:
    return verify(received(a_bundle(**changes)))


def test_generations_never_go_down_and_are_never_used_twice() -> None:
    applied = verified(generation=5)
    assert succeeds(verified(generation=6), applied)
    assert not succeeds(verified(generation=5), applied)
    for bad, verdict in (
        (verified(generation=4), Verdict.GENERATION_WENT_DOWN),
        (verified(generation=5, site="other"), Verdict.GENERATION_REUSED),
    ):
        with pytest.raises(BundleRejected) as rejected:
            succeeds(bad, applied)
        assert rejected.value.verdict is verdict
    assert succeeds(verified(generation=1, site_uid="another"), applied), "a new site begins where it likes"


def test_the_last_good_bundle_is_kept_whole(tmp_path: Path) -> None:
    last_good = LastGood(tmp_path, Trust())
    assert last_good.load() is None
    last_good.save(verified(generation=3))
    assert last_good.load() == verified(generation=3)
    kept = tmp_path / "last-good-bundle"
    kept.write_bytes(kept.read_bytes()[:-10])
    assert last_good.load() is None


async def test_a_change_is_looked_at_twice_before_it_is_called_broken(tmp_path: Path) -> None:
    site = Watched(DirectorySource(tmp_path), tmp_path / "data")
    watch = site.watch
    write_bundle(tmp_path, a_bundle())
    await watch.look()
    (tmp_path / "bundle.json").write_bytes(b"{")
    await watch.look()
    assert watch.rejections == {}
    await watch.look()
    await watch.look()
    assert watch.rejections == {"Malformed": 1}
    assert watch.state.verdict == "Rejected"
    assert watch.state.generation == 1
    write_bundle(tmp_path, a_bundle(generation=2))
    await watch.look()
    assert watch.state.verdict == "Applied"
    assert site.generations == [1, 2]


async def test_what_the_last_good_bundle_says_holds_after_a_restart_too(tmp_path: Path) -> None:
    """An older bundle that is mounted while the agent is down does not become the newest by a restart."""
    LastGood(tmp_path / "data", Trust()).save(verified(generation=5))
    for mounted, told in (
        (4, ("Rejected", "GenerationWentDown", 5)),
        (5, ("Applied", "Applied", 5)),
        (6, ("Applied", "Applied", 6)),
    ):
        write_bundle(tmp_path, a_bundle(generation=mounted))
        site = Watched(DirectorySource(tmp_path), tmp_path / "data")
        await site.watch.start()
        await site.watch.look()
        assert site.told == told
        assert len(site.applied) == 1, "begun once"


async def test_a_new_bundle_that_cannot_be_kept_is_not_begun_with(tmp_path: Path) -> None:
    write_bundle(tmp_path, a_bundle())
    site = Watched(DirectorySource(tmp_path), tmp_path / "data")
    await site.watch.start()
    (tmp_path / "data" / "last-good-bundle.new").mkdir()
    write_bundle(tmp_path, a_bundle(generation=2))
    await site.watch.look()
    assert site.generations == [1]
    assert "generation 2 cannot be kept: " in site.watch.source.failure
    (tmp_path / "data" / "last-good-bundle.new").rmdir()
    await site.watch.look()
    assert site.generations == [1, 2]


async def test_a_swapped_link_is_read_as_one(tmp_path: Path) -> None:
    """A ConfigMap volume: the files are links through `..data`, which is swapped at once."""
    for generation in (1, 2):
        write_bundle(tmp_path / f"..{generation}", a_bundle(generation=generation))
    data = tmp_path / "..data"
    data.symlink_to("..1")
    site = Watched(DirectorySource(tmp_path), tmp_path / "data")
    await site.watch.look()
    draft = tmp_path / "..draft"
    draft.symlink_to("..2")
    draft.replace(data)
    await site.watch.look()
    assert site.generations == [1, 2]


def test_check_says_good_or_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_bundle(tmp_path, a_bundle())
    assert main(["check", "--bundle", str(tmp_path)]) == 0
    assert "1 graphs, 1 endpoints" in capsys.readouterr().out

    write_bundle(tmp_path, with_source(entity=EntityRef(type="M", id="{hall}")))
    assert main(["check", "--bundle", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "graphs[0].sources[0].entity.id: '{hall}' asks for {hall}, but the topic captures line, machine" in told

    assert main(["check", "--bundle", str(tmp_path / "nowhere")]) == 2
    assert "No such file or directory; a bundle is bundle.json and sha256" in capsys.readouterr().err


@pytest.mark.parametrize("listen", ["9464", "host:", "host:port", "host:70000"])
def test_a_bad_address_is_a_usage_error(listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--bundle", "x", "--data", "y", "--listen", listen])
    assert ended.value.code == 2
    assert "is not HOST:PORT" in capsys.readouterr().err


def test_the_digest_ignores_the_generation() -> None:
    assert verified(generation=1).sha256 == verified(generation=2).sha256
    assert verified().bundle == msgspec.structs.replace(a_bundle())
