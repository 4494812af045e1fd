"""The queue promises what client-go's does: coalescing, one worker a key, the earliest time, growing delays."""

import asyncio

import pytest

from edgeglm_operator.workqueue import JITTER, LAST_RETRY_SECONDS, RETRIES_PER_SECOND, RETRY_BURST, Key, WorkQueue

A, B = Key("Thing", "default", "a"), Key("Thing", "default", "b")


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue:
    return WorkQueue(clock=clock, jitter=lambda: 0.0, limit=100)


async def take(queue: WorkQueue) -> Key | None:
    """The next key if one is due, without waiting."""
    task = asyncio.ensure_future(queue.get())
    for _ in range(3):
        await asyncio.sleep(0)
    if task.done():
        return task.result()[0]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


async def test_a_key_added_many_times_waits_once(queue: WorkQueue) -> None:
    for _ in range(10):
        queue.add(A)

    assert [await take(queue), await take(queue)] == [A, None]


async def test_no_two_workers_have_the_same_key(queue: WorkQueue) -> None:
    queue.add(A)
    assert await take(queue) == A
    queue.add(A)

    assert await take(queue) is None


async def test_what_is_added_during_the_work_comes_after_it(queue: WorkQueue) -> None:
    queue.add(A)
    await take(queue)
    queue.add(A)
    queue.done(A)

    assert await take(queue) == A


async def test_keys_come_in_the_order_in_which_they_are_due(queue: WorkQueue, clock: Clock) -> None:
    queue.add(A, after=5)
    queue.add(B, after=2)
    clock.now += 10

    assert [await take(queue), await take(queue)] == [B, A]


async def test_the_earliest_of_several_times_wins(queue: WorkQueue, clock: Clock) -> None:
    queue.add(A, after=60)
    queue.add(A, after=1)
    queue.add(A, after=30)
    clock.now += 2

    assert await take(queue) == A
    queue.done(A)
    clock.now += 100
    assert await take(queue) is None


async def test_the_earliest_time_wins_for_a_key_at_work_too(queue: WorkQueue, clock: Clock) -> None:
    queue.add(A)
    await take(queue)
    queue.add(A, after=60)
    queue.add(A, after=1)
    queue.done(A)
    clock.now += 2

    assert await take(queue) == A


async def test_failures_double_the_delay_up_to_a_bound(queue: WorkQueue) -> None:
    delays = [queue.retry(A) for _ in range(15)]

    assert delays[:4] == [0.2, 0.4, 0.8, 1.6]
    assert delays[-1] == LAST_RETRY_SECONDS


async def test_a_success_forgets_the_failures(queue: WorkQueue) -> None:
    for _ in range(5):
        queue.retry(A)
    queue.forget(A)

    assert queue.retry(A) == 0.2


async def test_the_server_s_wish_for_patience_is_a_lower_bound(queue: WorkQueue) -> None:
    assert queue.retry(A, at_least=7) == 7


async def test_a_retry_is_spread_by_chance(clock: Clock) -> None:
    late = WorkQueue(clock=clock, jitter=lambda: 1.0)

    assert late.retry(A) == 0.2 * (1 + JITTER)


async def test_when_everything_fails_the_retries_of_all_keys_pass_at_a_bounded_rate(queue: WorkQueue) -> None:
    delays = [queue.retry(Key("Thing", "default", str(number))) for number in range(300)]

    assert (delays[0], max(delays)) == (0.2, (300 - RETRY_BURST) / RETRIES_PER_SECOND)


async def test_beyond_its_bound_keys_are_dropped_and_counted(queue: WorkQueue) -> None:
    for number in range(103):
        queue.add(Key("Thing", "default", str(number)))

    assert (len(queue), queue.dropped) == (100, 3)


async def test_an_idle_worker_wakes_when_a_key_is_added(queue: WorkQueue) -> None:
    worker = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add(A)

    async with asyncio.timeout(5):
        key, waited = await worker

    assert (key, waited) == (A, 0.0)


async def test_an_idle_worker_wakes_when_a_key_becomes_due() -> None:
    queue = WorkQueue(clock=asyncio.get_running_loop().time)
    queue.add(A, after=0.01)

    async with asyncio.timeout(5):
        assert (await queue.get())[0] == A


async def test_several_workers_share_the_keys() -> None:
    """Each key is worked on once at a time, whoever takes it, and nothing is lost."""
    queue = WorkQueue(clock=asyncio.get_running_loop().time)
    keys = [Key("Thing", "default", str(number)) for number in range(20)]
    busy: set[Key] = set()
    done: list[Key] = []

    async def work() -> None:
        while True:
            key, _ = await queue.get()
            assert key not in busy
            busy.add(key)
            await asyncio.sleep(0)
            busy.remove(key)
            done.append(key)
            queue.done(key)

    workers = [asyncio.ensure_future(work()) for _ in range(4)]
    for key in keys * 3:
        queue.add(key)
    for _ in range(1000):
        await asyncio.sleep(0)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)

    assert set(done) == set(keys)
    assert (len(queue), queue.working) == (0, 0)
