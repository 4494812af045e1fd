"""The short way and the long one come to the same: windows, panes, books and dead letters, whatever is sent."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeglm_agent.graph import absent
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.pipeline.fold import Fold
from edgeglm_agent.pipeline.lanes import Read
from edgeglm_agent.pipeline.pack_lane import PackLane
from edgeglm_agent.spool.checkpoints import Snapshot
from edgeglm_agent.spool.entry import Connected, Disconnected, Entry, Message, Tick
from edgeglm_api.bundle import Bundle
from edgeglm_api.sensor_graph import EntityRef, FreeText, Limits, Measurement, SourceLimits, Timestamp, Window
from tests.edge.bundles import a_bundle, a_graph, a_source

from .observations import SECOND

BROKER = "mqtt://127.0.0.1:1883"
VALUES = (2, 2.0, 0.0, -0.0, -0.0, 7.5, 12.0, 50, 51.0, -1.0, 10**30, True, None, "3", [1], {"x": 1})
STRANGE = (
    b"",
    b"null",
    b"[]",
    b"[{}]",
    b'["bn"]',
    b'["xbtx"]',
    b'[["bn"]]',
    b'"bn"',
    b"\xff",
    b'{"ts": 101.0, "rms": NaN, "temp": 1}',
    b'{"ts": 101.0, "rms": 1, "rms": 2, "temp": 1}',
    b'{"ts": 101.0, "temp": 1}',
    b'{"rms": 1, "temp": 1}',
    b'{"ts": "101", "rms": 1, "temp": 1}',
    b'{"ts": 101.0, "rms": 1, "temp": 1, "deep": %s}' % (b"[" * 40 + b"]" * 40),
    b'{"ts": 101.0, "rms": 1, "temp": 1, "long": 0.%s}' % (b"1" * 50),
)


def rules(**changes: Any) -> Bundle:
    source = a_source(
        measurements=(
            Measurement(property="rms", path="$.rms", min=0.0, max=50.0, limits=Limits(high=7.1, hysteresis=1.0)),
            Measurement(property="temp", path="$.temp", unit="Cel", limits=Limits(low=0.0)),
        ),
        **changes.pop("source", {}),
    )
    return a_bundle(a_graph(sources=(source,), **changes))


BUNDLES = {
    "plain": rules(),
    "whole": rules(window=Window(size_seconds=2, allowed_lateness_seconds=1, idle_timeout_seconds=2)),
    "sliding": rules(
        window=Window(size_seconds=3, slide_seconds=1, allowed_lateness_seconds=1, idle_timeout_seconds=3)
    ),
    "sessions": rules(
        window=Window(type="Session", size_seconds=4, gap_seconds=1, allowed_lateness_seconds=1, idle_timeout_seconds=2)
    ),
    "revised": rules(
        window=Window(
            size_seconds=1, allowed_lateness_seconds=1, idle_timeout_seconds=2, late="Revise", late_within_seconds=4
        )
    ),
    "expected": rules(source={"expect_every_seconds": 2}),
    "few": rules(source={"limits": SourceLimits(entities=2)}),
    "by arrival": rules(source={"timestamp": None}),
    "millis": rules(source={"timestamp": Timestamp(path="$.ts", format="Milliseconds")}),
    "with free text": rules(source={"text": (FreeText(property="note", path="$.who"),)}),
    "of the payload": rules(source={"entity": EntityRef(type="Machine", id="{$.who}")}),
}


def a_payload(at: float, rms: Any, temp: Any) -> bytes:
    return msgspec.json.encode({"ts": at, "rms": rms, "temp": temp, "who": "m1"})


payloads = st.one_of(
    st.builds(a_payload, st.floats(98, 112).map(lambda at: round(at, 3)), st.floats(0, 13), st.floats(-1, 40)),
    st.builds(a_payload, st.integers(98, 112), st.sampled_from(VALUES), st.sampled_from(VALUES)),
    st.sampled_from(STRANGE),
)
messages = st.builds(
    lambda machine, payload, packet_id, odd: Message(
        arrived_ns=0,
        broker=BROKER,
        connection=1 + odd % 2,
        packet_id=packet_id,
        dup=odd in {1, 2},
        topic=f"plant/l{machine % 2}/m{machine}/vibration" if odd != 3 else "elsewhere",
        payload=payload,
        size=len(payload) + (odd == 4),
        retained=odd == 5,
    ),
    st.integers(0, 4),
    payloads,
    st.integers(0, 6),
    st.integers(0, 60),
)
others = st.sampled_from(
    [Tick(0), Connected(0, BROKER, 1, resumed=True), Connected(0, BROKER, 2, resumed=False), Disconnected(0, BROKER, 1)]
)
streams = st.lists(st.tuples(st.one_of(*[messages] * 8, others), st.integers(0, 400)), max_size=60)


def as_arrived(stream: Sequence[tuple[Entry, int]]) -> list[Entry]:
    """Give entries the times of their arrival, so many milliseconds after one another."""
    arrived, now_ns = list[Entry](), 100 * SECOND
    for entry, millis in stream:
        now_ns += millis * 1_000_000
        arrived.append(msgspec.structs.replace(entry, arrived_ns=now_ns))
    return arrived


PACKS = a_bundle(
    a_graph(
        sources=(
            a_source(
                topic="plant/{line}/{machine}/vibration",
                format="SenML",
                entity=EntityRef(type="Machine", id="{machine}"),
                measurements=tuple(
                    Measurement(
                        property=name, name=f"urn:{{mac}}:{name}", unit="Cel", max=50.0, limits=Limits(high=7.1)
                    )
                    for name in ("t0", "t1")
                ),
                timestamp=None,
            ),
        )
    )
)
records = st.fixed_dictionaries(
    {"n": st.sampled_from(["t0", "t0", "t1", "t1", "t2", "", "?"]), "v": st.integers(0, 9) | st.floats(0, 60)},
    optional={"t": st.integers(-2, 3) | st.sampled_from([0.5, True, "1", 1e12])},
)
plain_records = st.builds(
    lambda n, t, v: {"n": n, "t": t, "v": v}, st.sampled_from(["t0", "t1"]), st.integers(-3, 3), st.floats(0, 13)
)
bases = st.builds(
    lambda at, mac, unit: {"bn": f"urn:{mac}:", "bt": at} | ({"bu": unit} if unit else {}),
    st.sampled_from([0, 2_000_000_000, "now", 1.5]),
    st.sampled_from(["a", "a", "a", "b", "!"]),
    st.sampled_from(["Cel", "Cel", "K", "", 7]),
)
packs = st.builds(
    lambda base, said, odd: [*({**base, **each} for each in said[:1]), *said[1:]] if odd else [base, *said],
    bases,
    st.lists(st.one_of(*[plain_records] * 12, records), max_size=6),
    st.integers(0, 4),
).map(msgspec.json.encode)
pack_messages = st.builds(
    lambda machine, payload: _message(payload, topic=f"plant/l1/m{machine}/vibration"),
    st.integers(0, 1),
    st.one_of(*[packs] * 9, st.sampled_from(STRANGE)),
)


class LongFold(Fold):
    """A fold without the short way."""

    def _take_shortly(self, number: int, read: Read) -> Sequence[Closed] | None:  # noqa: ARG002 - as in the other
        return None


def told(fold: Fold, bundle: Bundle, entries: Sequence[Entry]) -> list[Any]:
    fold.apply(bundle)
    said, at = list[Any](), 0
    while at < len(entries):
        taken, closed = fold.take_some(1 + at, entries[at:])
        at += taken
        said += [(at, each.window, each.made, each.belated_ns) for each in closed]
        if closed:
            fold.forget_absent()
    fold.settle()
    graph = fold.graphs[bundle.graphs[0].uid]
    return [*said, fold.books.all(), fold.books.letters, fold.pending(), fold.state, graph.partitions, graph.touched]


def spelled(said: Any) -> Any:
    """What is compared with `==` hides: a negative zero equals zero, and is told otherwise."""
    if isinstance(said, msgspec.Struct):
        return [spelled(getattr(said, name)) for name in said.__struct_fields__]
    if isinstance(said, dict):
        return sorted((repr(key), spelled(value)) for key, value in said.items())
    if isinstance(said, list | tuple):
        return [spelled(each) for each in said]
    return sorted(map(repr, said)) if isinstance(said, set | frozenset) else repr(said)


def assert_same(bundle: Bundle, entries: Sequence[Entry]) -> Fold:
    short, long = (kind(Snapshot(1, b"", {}, {})) for kind in (Fold, LongFold))
    for one, other in zip(told(short, bundle, entries), told(long, bundle, entries), strict=True):
        assert one == other
        assert spelled(one) == spelled(other)
    return short


def shortly(bundle: Bundle, entries: Sequence[Entry]) -> int:
    """How many go the short way."""

    class Counting(Fold):
        shortly = 0

        def _take_shortly(self, number: int, read: Read) -> Sequence[Closed] | None:
            closed = super()._take_shortly(number, read)
            self.shortly += closed is not None
            return closed

    fold = Counting(Snapshot(1, b"", {}, {}))
    told(fold, bundle, entries)
    return fold.shortly


@pytest.mark.parametrize("bundle", BUNDLES.values(), ids=BUNDLES)
@settings(max_examples=60)
@given(streams)
def test_both_ways_come_to_the_same(bundle: Bundle, stream: list[tuple[Entry, int]]) -> None:
    assert_same(bundle, as_arrived(stream))


@settings(max_examples=60)
@given(streams)
def test_both_ways_forget_the_same(stream: list[tuple[Entry, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(absent, "MAX_ABSENT", 1)
        assert_same(BUNDLES["plain"], as_arrived(stream))


def steady(seconds: int) -> list[Entry]:
    return as_arrived(
        [
            (_message(a_payload(100 + at / 5, 2.0 + at % 7, 20.0), topic=f"plant/l1/m{at % 3}/vibration"), 200)
            for at in range(5 * seconds)
        ]
    )


def _message(payload: bytes, topic: str) -> Message:
    return Message(0, BROKER, 1, 0, dup=False, topic=topic, payload=payload, size=len(payload))


@pytest.mark.parametrize("name", ["plain", "whole", "sliding", "expected", "by arrival"])
def test_most_of_a_steady_stream_goes_the_short_way(name: str) -> None:
    entries = steady(40)
    assert shortly(BUNDLES[name], entries) > len(entries) / 2
    assert_same(BUNDLES[name], entries)


def test_changed_rules_are_followed_at_once() -> None:
    bundle, changed = rules(), rules(window=Window(size_seconds=2, allowed_lateness_seconds=1, idle_timeout_seconds=2))
    folds = [kind(Snapshot(1, b"", {}, {})) for kind in (Fold, LongFold)]
    entries = steady(30)
    for fold in folds:
        fold.apply(bundle)
        for at, entry in enumerate(entries):
            if at == 60:
                fold.apply(changed)
            fold.take_some(at, [entry])
        fold.settle()
    assert folds[0].graphs[bundle.graphs[0].uid].partitions == folds[1].graphs[bundle.graphs[0].uid].partitions
    assert folds[0].books.all() == folds[1].books.all()


@settings(max_examples=150)
@given(st.lists(st.tuples(pack_messages, st.integers(0, 400)), max_size=40))
def test_both_ways_come_to_the_same_for_packs(stream: list[tuple[Entry, int]]) -> None:
    assert_same(PACKS, as_arrived(stream))


def test_most_of_a_steady_stream_of_packs_goes_the_short_way() -> None:
    said = [{"n": f"t{at % 2}", "t": -(at // 2), "v": 20.0 + at} for at in range(4)]
    said[0] |= {"bn": "urn:a:", "bt": 0, "bu": "Cel"}
    entries = as_arrived([(_message(msgspec.json.encode(said), "plant/l1/m1/vibration"), 300)] * 100)
    assert shortly(PACKS, entries) > len(entries) / 2
    assert_same(PACKS, entries)


@pytest.mark.parametrize("payload", STRANGE)
def test_no_payload_ends_the_fold(payload: bytes) -> None:
    """A text in place of a record has no fields to take; it ended the agent, and again at each start."""
    entries = as_arrived([(_message(payload, "plant/l1/m1/vibration"), 10)] * 3)
    for bundle in (PACKS, BUNDLES["plain"]):
        assert_same(bundle, entries)


def test_a_bug_in_the_short_way_costs_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AttributeError("a bug")

    monkeypatch.setattr("edgeglm_agent.decode.plain.PlainNumbers.read_all", fail)
    assert_same(BUNDLES["plain"], steady(5))


def test_a_pack_lane_remembers_nobody_who_is_not_heard() -> None:
    """Whoever is refused for being one too many must cost nothing: strangers can invent topics and names."""
    bundle = a_bundle(
        msgspec.structs.replace(
            PACKS.graphs[0],
            sources=(msgspec.structs.replace(PACKS.graphs[0].sources[0], limits=SourceLimits(entities=1)),),
        )
    )
    fold = Fold(Snapshot(1, b"", {}, {}))
    pack = msgspec.json.encode([{"bn": "urn:a:", "bt": 0, "n": "t0", "t": 0, "v": 20.0}])
    told(fold, bundle, as_arrived([(_message(pack, f"plant/l1/m{at % 9}/vibration"), 10) for at in range(90)]))
    kept = {topic: len(lane._known) for topic, lane in fold._lanes._known.items() if isinstance(lane, PackLane)}
    assert kept == {f"plant/l1/m{at}/vibration": int(at == 0) for at in range(9)}
