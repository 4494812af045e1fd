"""The elector on a server of one object and a clock that obeys."""

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from edgeglm_operator.kube.errors import Conflict, KubeError, NotFound, Unavailable
from edgeglm_operator.kube.kinds import Kind
from edgeglm_operator.lease import DURATION_SECONDS, RENEW_DEADLINE_SECONDS, Elector, LeaseLost


class OneLease:
    """A server that has one Lease, and may be away."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.away = False
        self.requests: list[str] = []

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any]:
        self._note("get")
        if self.lease is None:
            raise NotFound(f"no {kind.name} {namespace}/{name}")
        return copy.deepcopy(self.lease)

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._note("create")
        if self.lease is not None:
            raise Conflict("exists")
        return self._keep(manifest)

    async def update(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._note("update")
        assert self.lease is not None
        if manifest["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise Conflict("changed")
        return self._keep(manifest)

    def list(self, kind: Kind, namespace: str = "", *, selector: str = "") -> AsyncIterator[dict[str, Any]]:
        raise NotImplementedError

    async def serves(self, kind: Kind) -> bool:
        raise NotImplementedError

    async def apply(self, manifest: dict[str, Any], *, manager: str = "") -> dict[str, Any]:
        raise NotImplementedError

    async def apply_new(self, manifest: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    async def apply_status(self, manifest: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    async def patch(self, kind: Kind, namespace: str, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        raise NotImplementedError

    def _note(self, verb: str) -> None:
        self.requests.append(verb)
        if self.away:
            raise Unavailable("nobody answers")

    def _keep(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.lease = copy.deepcopy(manifest)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.lease)

    @property
    def holder(self) -> str:
        assert self.lease is not None
        return str(self.lease["spec"]["holderIdentity"])


class Clock:
    def __init__(self) -> None:
        self.now = 500.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> OneLease:
    return OneLease()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def elector(server: OneLease, clock: Clock, identity: str = "a") -> Elector:
    return Elector(server, namespace="system", name="edgeglm-operator", identity=identity, clock=clock)


async def test_the_first_candidate_makes_the_lease_and_leads(server: OneLease, clock: Clock) -> None:
    first = elector(server, clock)

    await first._strive()

    assert first.leading.is_set()
    assert server.holder == "a"


async def test_the_second_waits_while_the_first_renews(server: OneLease, clock: Clock) -> None:
    first, second = elector(server, clock, "a"), elector(server, clock, "b")
    await first._strive()

    for _ in range(20):
        clock.now += 2
        await first._keep()
        await second._strive()

    assert not second.leading.is_set()


async def test_the_second_takes_over_once_the_first_has_been_silent_for_the_whole_duration(
    server: OneLease, clock: Clock
) -> None:
    """Counted from what the second saw itself, not from the time that the first wrote."""
    first, second = elector(server, clock, "a"), elector(server, clock, "b")
    await first._strive()
    clock.now += 1000
    await second._strive()
    assert not second.leading.is_set()

    clock.now += DURATION_SECONDS - 1
    await second._strive()
    assert not second.leading.is_set()

    clock.now += 2
    await second._strive()
    assert second.leading.is_set()
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 1


async def test_a_released_lease_is_taken_at_once(server: OneLease, clock: Clock) -> None:
    first, second = elector(server, clock, "a"), elector(server, clock, "b")
    await first._strive()
    await first.release()
    await second._strive()

    assert not first.leading.is_set()
    assert second.leading.is_set()


async def test_whoever_does_not_lead_releases_nothing(server: OneLease, clock: Clock) -> None:
    first, second = elector(server, clock, "a"), elector(server, clock, "b")
    await first._strive()
    await second.release()

    assert server.holder == "a"


async def test_the_same_identity_takes_its_own_lease_back_without_waiting(server: OneLease, clock: Clock) -> None:
    """A container that is restarted in the same pod."""
    await elector(server, clock, "a")._strive()
    again = elector(server, clock, "a")
    await again._strive()

    assert again.leading.is_set()


async def test_a_stolen_lease_ends_the_leader(server: OneLease, clock: Clock) -> None:
    first = elector(server, clock, "a")
    await first._strive()
    assert server.lease is not None
    server.lease["spec"]["holderIdentity"] = "thief"
    server._keep(server.lease)

    await first._keep()
    with pytest.raises(LeaseLost):
        await first._keep()

    assert not first.leading.is_set()


async def test_a_leader_that_cannot_renew_ends_before_anybody_may_take_over(server: OneLease, clock: Clock) -> None:
    first = elector(server, clock, "a")
    await first._strive()
    server.away = True
    for _ in range(RENEW_DEADLINE_SECONDS // 2):
        await first._keep()
        clock.now += 2

    with pytest.raises(LeaseLost):
        await first._keep()

    assert RENEW_DEADLINE_SECONDS < DURATION_SECONDS


async def test_a_short_absence_of_the_server_is_no_loss(server: OneLease, clock: Clock) -> None:
    first = elector(server, clock, "a")
    await first._strive()
    server.away = True
    clock.now += 4
    await first._keep()
    server.away = False
    clock.now += 4
    await first._keep()

    assert first.leading.is_set()


async def test_a_leader_renews_with_one_request(server: OneLease, clock: Clock) -> None:
    first = elector(server, clock, "a")
    await first._strive()
    server.requests.clear()
    await first._keep()

    assert server.requests == ["update"]


@pytest.mark.parametrize("error", [NotFound("x"), Conflict("x"), Unavailable("x")])
async def test_no_error_of_the_server_ends_a_candidate(
    server: OneLease, clock: Clock, error: KubeError, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> dict[str, Any]:
        raise error

    candidate = elector(server, clock)
    monkeypatch.setattr(server, "create", fails)

    await candidate._strive()

    assert not candidate.leading.is_set()
