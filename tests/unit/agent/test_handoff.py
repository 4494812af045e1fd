"""The hand-off is bounded by count and by bytes, makes its producer wait, and drains when closed."""

import threading

import msgspec

from edgeglm_agent.spool.entry import Message, Tick
from edgeglm_agent.spool.handoff import Handed, Handoff

from .observations import a_message


def handed(size: int = 10) -> Handed:
    message: Message = msgspec.structs.replace(a_message(at=1), payload=bytes(size))
    return Handed((message,))


def test_it_holds_no_more_than_it_may_by_count() -> None:
    handoff = Handoff(max_entries=2)
    assert [handoff.put(handed(), wait_seconds=0) for _ in range(3)] == [True, True, False]
    assert handoff.depth == 2


def test_it_holds_no_more_than_it_may_by_bytes() -> None:
    handoff = Handoff(max_bytes=1000)
    assert [handoff.put(handed(900), wait_seconds=0) for _ in range(2)] == [True, False]
    handoff.take(most=1, linger_seconds=0, wait_seconds=10)
    assert handoff.put(handed(), wait_seconds=0)


def test_a_producer_that_waits_goes_on_when_there_is_room() -> None:
    handoff = Handoff(max_entries=1)
    handoff.put(handed(), wait_seconds=0)
    done: list[bool] = []
    producer = threading.Thread(target=lambda: done.append(handoff.put(handed(), wait_seconds=10)))
    producer.start()
    assert len(handoff.take(most=5, linger_seconds=0, wait_seconds=10)) == 1
    producer.join(10)
    assert done == [True]


def test_closed_it_takes_nothing_more_and_gives_what_is_left() -> None:
    handoff = Handoff()
    handoff.put(handed(), wait_seconds=0)
    handoff.close()
    assert not handoff.put(Handed((Tick(1),)), wait_seconds=10)
    assert len(handoff.take(most=5, linger_seconds=10, wait_seconds=10)) == 1
    assert handoff.take(most=5, linger_seconds=10, wait_seconds=10) == []


def test_what_came_together_is_taken_together_and_no_more_than_asked_for_otherwise() -> None:
    handoff = Handoff()
    for size in (3, 2, 4):
        handoff.put(Handed(tuple(Tick(1) for _ in range(size))), wait_seconds=0)
    assert handoff.depth == 9

    taken = [handoff.take(most=5, linger_seconds=0, wait_seconds=0) for _ in range(3)]

    assert [[len(group.entries) for group in groups] for groups in taken] == [[3, 2], [4], []]
    assert handoff.depth == 0


def test_a_group_larger_than_asked_for_comes_whole() -> None:
    handoff = Handoff()
    handoff.put(Handed(tuple(Tick(1) for _ in range(7))), wait_seconds=0)
    (group,) = handoff.take(most=5, linger_seconds=0, wait_seconds=0)
    assert len(group.entries) == 7


def test_a_consumer_that_lingers_is_woken_when_enough_is_there_or_no_more_can_come() -> None:
    """The bounds are far longer than the test may take: it ends because of what was put, or not at all."""
    for handoff, puts in ((Handoff(), 5), (Handoff(max_entries=3), 3), (Handoff(max_bytes=300), 2)):
        taken: list[int] = []
        lingering = threading.Thread(
            target=lambda at=handoff, to=taken: to.append(len(at.take(most=5, linger_seconds=600, wait_seconds=600)))
        )
        lingering.start()
        for _ in range(puts):
            assert handoff.put(Handed((Tick(1),)), wait_seconds=60)
        lingering.join(60)
        assert taken == [puts]
