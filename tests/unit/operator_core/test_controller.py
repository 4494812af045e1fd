"""What the end of a reconcile means for when to look again."""

import asyncio
from collections.abc import Callable

import pytest

from edgeglm_operator.kube.errors import Conflict, Throttled, Unavailable
from edgeglm_operator.obs.metrics import Metrics
from edgeglm_operator.reconcile import controller as module
from edgeglm_operator.reconcile.controller import Controller
from edgeglm_operator.reconcile.outcome import Blocked, Gone, NotYet, Result
from edgeglm_operator.workqueue import Key, WorkQueue

KEY = Key("Thing", "default", "a")


class Ends:
    """A reconciler that ends as it is told."""

    def __init__(self, end: BaseException | Result) -> None:
        self.end = end

    async def reconcile(self, namespace: str, name: str) -> Result:
        assert (namespace, name) == (KEY.namespace, KEY.name)
        if isinstance(self.end, BaseException):
            raise self.end
        return self.end


async def _at_once() -> None:
    return


def a_controller(reconciler: object, clock: Callable[[], float]) -> tuple[Controller, WorkQueue]:
    queue = WorkQueue(clock=clock, jitter=lambda: 0.0)
    made = Controller(
        queue,
        {KEY.kind: reconciler},  # type: ignore[dict-item]
        may_act=_at_once,
        clock=clock,
        metrics=Metrics(),
    )
    return made, queue


@pytest.mark.parametrize(
    ("end", "delay"),
    [
        (Result(), None),
        (Result(again_after_seconds=30), 30),
        (Result(again_after_seconds=30, retry=True), 0.2),
        (Gone(), None),
        (NotYet("wait", 2), 2),
        (Blocked("R", "m"), 600),
        (Unavailable("away"), 0.2),
        (Conflict("changed"), 0.2),
        (Throttled("patience", 7), 7),
        (TimeoutError(), 0.2),
        (ZeroDivisionError("a bug"), 0.2),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_when_it_looks_again(end: BaseException | Result, delay: float | None) -> None:
    now = 0.0
    controller, queue = a_controller(Ends(end), lambda: now)

    await controller._process(KEY)

    assert len(queue) == (delay is not None)
    if delay is not None:
        now = delay - 0.01
        assert queue.due == 0
        now = delay
        assert queue.due == 1


@pytest.mark.parametrize("end", [Result(), Gone()], ids=["done", "gone"])
async def test_a_good_end_forgets_the_failures(end: BaseException | Result) -> None:
    ends = Ends(Unavailable("away"))
    controller, queue = a_controller(ends, lambda: 0.0)
    for _ in range(3):
        await controller._process(KEY)
    ends.end = end
    await controller._process(KEY)

    assert queue.failures(KEY) == 0


async def test_the_stack_of_a_bug_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    controller, _ = a_controller(Ends(ZeroDivisionError("a bug")), lambda: 0.0)
    for _ in range(3):
        await controller._process(KEY)

    assert sum(record.exc_info is not None for record in caplog.records) == 1
    assert len([record for record in caplog.records if "a bug" in record.getMessage()]) == 4


async def test_a_reconcile_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hangs:
        async def reconcile(self, _namespace: str, _name: str) -> Result:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr(module, "RECONCILE_TIMEOUT_SECONDS", 0.01)
    controller, queue = a_controller(Hangs(), asyncio.get_running_loop().time)

    await controller._process(KEY)

    assert queue.failures(KEY) == 1


async def test_others_run_between_reconciles_that_wait_for_nothing() -> None:
    """A fleet that is as it should be sends no request; the Lease must be renewed meanwhile all the same."""
    turns, seen = 0, []

    class Notes:
        async def reconcile(self, _namespace: str, _name: str) -> Result:
            seen.append(turns)
            return Result()

    controller, queue = a_controller(Notes(), asyncio.get_running_loop().time)
    for number in range(100):
        queue.add(Key(KEY.kind, "default", str(number)))
    worker = asyncio.ensure_future(controller.work())
    while len(seen) < 100:
        turns += 1
        await asyncio.sleep(0)
    worker.cancel()

    assert len(set(seen)) == 100


async def test_nobody_works_before_they_may() -> None:
    """A replica that does not lead observes and waits."""
    may = asyncio.Event()
    queue = WorkQueue(clock=asyncio.get_running_loop().time)
    controller = Controller(
        queue,
        {KEY.kind: Ends(Result())},
        may_act=may.wait,
        clock=asyncio.get_running_loop().time,
        metrics=Metrics(),
    )
    queue.add(KEY)
    worker = asyncio.ensure_future(controller.work())
    await asyncio.sleep(0.01)
    assert len(queue) == 1

    may.set()
    await asyncio.sleep(0.01)
    assert len(queue) == 0
    assert controller.longest_seconds == 0

    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
