"""Redeliveries are recognised; equal readings are not taken for them."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.pipeline.dup_tail import TAIL_ENTRIES, DupTail
from edgeglm_agent.spool.entry import Connected, Message

from .observations import a_message


def delivered(packet_id: int = 7, connection: int = 1, *, dup: bool = False, rms: float = 2.0) -> Message:
    return msgspec.structs.replace(a_message(rms, at=100), packet_id=packet_id, connection=connection, dup=dup)


def is_redelivery(tail: DupTail, number: int, message: Message) -> bool:
    again = tail.has(number, message)
    tail.note(number, message)
    return again


def test_a_packet_that_comes_again_on_the_next_connection_is_a_redelivery() -> None:
    tail = DupTail()
    assert not is_redelivery(tail, 1, delivered())
    assert is_redelivery(tail, 2, delivered(connection=2, dup=True))
    assert is_redelivery(tail, 3, delivered(connection=3, dup=True)), "and once more, after a second crash"


def test_equal_payloads_are_equal_readings() -> None:
    tail = DupTail()
    is_redelivery(tail, 1, delivered())
    assert not is_redelivery(tail, 2, delivered(packet_id=8))
    assert not is_redelivery(tail, 3, delivered(connection=2)), "not marked as sent before"


def test_a_redelivery_that_we_never_had_is_new() -> None:
    tail = DupTail()
    assert not is_redelivery(tail, 1, delivered(dup=True))
    is_redelivery(tail, 2, delivered(packet_id=8))
    assert not is_redelivery(tail, 3, delivered(packet_id=8, connection=2, dup=True, rms=3.0)), "the id was used again"


def test_a_lost_session_starts_its_ids_anew() -> None:
    tail = DupTail()
    is_redelivery(tail, 1, delivered())
    tail.connected(Connected(0, delivered().broker, 2, resumed=False))
    assert not is_redelivery(tail, 3, delivered(connection=2, dup=True))


def test_the_tail_ends() -> None:
    tail = DupTail()
    is_redelivery(tail, 1, delivered())
    is_redelivery(tail, TAIL_ENTRIES + 2, delivered(packet_id=9))
    assert not is_redelivery(tail, TAIL_ENTRIES + 3, delivered(connection=2, dup=True))


packets_sent = st.tuples(
    st.integers(0, 3), st.integers(1, 3), st.booleans(), st.sampled_from([2.0, 3.0]), st.integers(1, 5000)
)


@given(st.lists(packets_sent, max_size=30))
def test_it_is_the_last_packet_with_an_id_that_counts(packets: list[tuple[int, int, bool, float, int]]) -> None:
    tail, number = DupTail(), 0
    last: dict[int, tuple[int, int, float]] = {}
    for packet_id, connection, dup, rms, ahead in packets:
        number += ahead
        at, known, said = last.get(packet_id, (-TAIL_ENTRIES, connection, rms))
        repeated = dup and number - at <= TAIL_ENTRIES and known != connection and said == rms and packet_id > 0
        assert is_redelivery(tail, number, delivered(packet_id, connection, dup=dup, rms=rms)) == repeated
        last[packet_id] = (number, connection, rms)
