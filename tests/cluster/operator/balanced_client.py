"""A client that balances as gateways do: over the ready addresses of the EndpointSlices, to the least busy one."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.api import Api

PORT = 8000
LOOK_EVERY_SECONDS = 0.2
"""kube-proxy and gateways are told by a watch, within a second or so."""
ANSWER_SECONDS = 600
"""A bound on one request, not an expectation."""


@dataclass(frozen=True)
class Asked:
    """One request that has ended."""

    address: str
    ended: float
    trouble: str = ""


@dataclass
class BalancedClient:
    """Keeps so many requests open at once, each of so many tokens, over the replicas of one service."""

    api: Api
    namespace: str
    service: str
    open_at_once: int
    tokens: int
    asked: list[Asked] = field(default_factory=list)
    left: dict[str, float] = field(default_factory=dict)
    """When an address was ready for the last time, of those that are no more."""
    _ready: frozenset[str] = frozenset()
    _open: Counter[str] = field(default_factory=Counter)
    _choosing: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator["BalancedClient"]:
        """Within it requests go out; at its end all of them have been answered. Raises what a thread raised."""
        with ThreadPoolExecutor(self.open_at_once + 1) as pool:
            running: list[Future[None]] = [pool.submit(self._look)]
            running += [pool.submit(self._ask) for _ in range(self.open_at_once)]
            try:
                yield self
            finally:
                self._over.set()
        for each in running:
            each.result()

    @property
    def troubles(self) -> list[Asked]:
        """The requests that were not answered in full."""
        return [each for each in self.asked if each.trouble]

    def keeps_open(self, addresses: Iterable[str], number: int) -> bool:
        """Whether each of these has so many requests to answer."""
        return all(self._open[address] >= number for address in addresses)

    def outlasted(self, seconds: float) -> list[Asked]:
        """The requests that ended later than this after their replica had left the ready ones."""
        return [each for each in self.asked if each.ended - self.left.get(each.address, each.ended) > seconds]

    def _look(self) -> None:
        while not self._over.wait(LOOK_EVERY_SECONDS):
            now = frozenset(ready_addresses(self.api, self.namespace, self.service))
            self.left |= dict.fromkeys(self._ready - now, time.monotonic())
            self._ready = now

    def _ask(self) -> None:
        while not self._over.is_set():
            ready = self._ready
            if ready:
                with self._least_busy(ready) as address:
                    self.asked.append(self._one(address))
            else:
                self._over.wait(LOOK_EVERY_SECONDS)

    @contextmanager
    def _least_busy(self, ready: Iterable[str]) -> Iterator[str]:
        """The one of these that has the fewest to answer; within it, it has one more."""
        with self._choosing:
            address = min(ready, key=lambda each: self._open[each])
            self._open[address] += 1
        try:
            yield address
        finally:
            with self._choosing:
                self._open[address] -= 1

    def _one(self, address: str) -> Asked:
        body = {"model": self.service, "prompt": "The pump", "max_tokens": self.tokens, "ignore_eos": True}
        try:
            answer = _post(address, "/v1/completions", body)
            made = answer["usage"]["completion_tokens"]
            trouble = "" if made == self.tokens else f"{made} of {self.tokens} tokens"
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            trouble = repr(error)
        return Asked(address, time.monotonic(), trouble)


def ready_addresses(api: Api, namespace: str, service: str) -> Iterator[str]:
    """Where a Service's requests go now."""
    selector = f"labelSelector=kubernetes.io/service-name%3D{service}"
    slices = api.get(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?{selector}")["items"]
    for endpoint in (endpoint for each in slices for endpoint in each.get("endpoints") or []):
        if endpoint["conditions"].get("ready"):
            yield from endpoint["addresses"]


def _post(address: str, path: str, body: Mapping[str, Any]) -> Any:
    connection = http.client.HTTPConnection(address, PORT, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise ValueError(f"{answer.status}: {text}")
    return json.loads(text)
