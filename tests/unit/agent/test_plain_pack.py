"""Plain packs: what is read of them, and what is left to the reader of the format."""

import msgspec

from edgeglm_agent.decode.path import MAX_ITEMS
from edgeglm_agent.decode.plain_pack import read_plain_pack

NOW_NS = 1_700_000_000 * 10**9


def a_pack(records: int) -> bytes:
    said = [{"n": f"urn:dev:ow:10e2073a0108006:t{at:04}", "t": -1.5, "v": 20.125 + at} for at in range(records)]
    return msgspec.json.encode(said)


def test_a_large_pack_is_read_too() -> None:
    pack = read_plain_pack(a_pack(2000), NOW_NS)
    assert pack is not None
    assert (len(pack.names), pack.values[-1], {*pack.times_ns}) == (2000, 2019.125, {NOW_NS - 1_500_000_000})


def test_one_with_more_records_than_are_taken_is_left() -> None:
    assert read_plain_pack(a_pack(MAX_ITEMS + 1), NOW_NS) is None


def test_slices_come_in_the_order_of_their_first_readings() -> None:
    said = [{"n": name, "t": at, "v": at} for name, at in (("a", 2), ("b", 0), ("c", 2), ("d", 1))]
    pack = read_plain_pack(msgspec.json.encode([{"bt": NOW_NS // 10**9} | said[0], *said[1:]]), NOW_NS)
    assert pack is not None
    parts = [(number - NOW_NS // 10**9, part.names) for number, part in pack.by_slice(10**9)]
    assert parts == [(2, ["a", "c"]), (0, ["b"]), (1, ["d"])]
