"""A cluster in memory: as much of the API server as the reconcilers lean on, with faults on order.

It is for speed and for faults at an exact request. What it claims about the API server is held against a real one by
test_contract.py, and the behaviour of the operator by tests/cluster.
"""

import copy
import itertools
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from edgeglm_operator.kube import kinds
from edgeglm_operator.kube.client import FIELD_MANAGER
from edgeglm_operator.kube.errors import Conflict, NotFound
from edgeglm_operator.kube.kinds import Kind, kind_of
from edgeglm_operator.store import Name

Manifest = dict[str, Any]
WRITES = frozenset({"apply", "apply_status", "patch", "create", "update", "delete"})


Hook = Callable[[int], None]


class DiedError(BaseException):
    """The operator's process ended here."""


class InMemoryCluster:
    """Objects, requests, and the hook that lets a request fail."""

    def __init__(self) -> None:
        self.objects: dict[tuple[Kind, Name], Manifest] = {}
        self.served: set[Kind] = {kinds.AUTOSCALERS}
        """Which of the optional kinds there are."""
        self.requests: list[tuple[str, Kind, Name]] = []
        self.before: Hook = _nothing
        """Called with the number of each request before it is carried out; raises to let it fail."""
        self.after: Hook = _nothing
        """The same once it has been carried out but before the caller hears of it."""
        self._applied: dict[tuple[Kind, Name, str], dict[str, Manifest]] = {}
        """What each manager said last, by object and subresource."""
        self._numbers = itertools.count(1)
        self._incarnations: Counter[tuple[Kind, Name]] = Counter()

    @property
    def writes(self) -> "Sequence[tuple[str, str, str]]":
        """The requests that could change something: verb, kind, name."""
        return [(verb, kind.name, name.name) for verb, kind, name in self.requests if verb in WRITES]

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """Read."""
        with self._request("get", kind, Name(namespace, name)):
            return copy.deepcopy(self._find(kind, Name(namespace, name)))

    async def list(self, kind: Kind, namespace: str = "", *, selector: str = "") -> AsyncIterator[Manifest]:
        """Read all."""
        with self._request("list", kind, Name(namespace, "")):
            self._must_have(kind)
            found = [
                copy.deepcopy(found)
                for (of, name), found in sorted(self.objects.items(), key=lambda item: item[0][1])
                if of.path() == kind.path() and namespace in {"", name.namespace} and matches(found, selector)
            ]
        for item in found:
            yield item

    async def serves(self, kind: Kind) -> bool:
        """Discovery."""
        with self._request("discover", kind, Name("", "")):
            return self._has(kind)

    async def apply(self, manifest: Manifest, *, manager: str = FIELD_MANAGER) -> Manifest:
        """Server-side apply."""
        kind, name = _identity(manifest)
        with self._request("apply", kind, name):
            self._must_have(kind)
            live = self.objects.get((kind, name)) or self._new(kind, name)
            return self._write(kind, name, live, self.admitted(manifest), manager=manager)

    async def apply_new(self, manifest: Manifest) -> Manifest:
        """Server-side apply of what is not there."""
        kind, name = _identity(manifest)
        with self._request("apply", kind, name):
            self._must_have(kind)
            if (kind, name) in self.objects:
                raise Conflict(f"{kind.name} {name.name}: the object has been modified")
            return self._write(kind, name, self._new(kind, name), self.admitted(manifest))

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Server-side apply on the status."""
        kind, name = _identity(manifest)
        with self._request("apply_status", kind, name):
            live = self._find(kind, name)
            return self._write(kind, name, live, {"status": manifest["status"]}, part="status")

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> Manifest:
        """JSON merge patch."""
        with self._request("patch", kind, Name(namespace, name)):
            whole = merged(self._find(kind, Name(namespace, name)), patch)
            return self._keep(kind, Name(namespace, name), without_nulls(whole))

    async def create(self, manifest: Manifest) -> Manifest:
        """Create."""
        kind, name = _identity(manifest)
        with self._request("create", kind, name):
            if (kind, name) in self.objects:
                raise Conflict(f"{kind.name} {name.name} already exists")
            return self._keep(kind, name, merged(self._new(kind, name), manifest))

    async def update(self, manifest: Manifest) -> Manifest:
        """Replace one version."""
        kind, name = _identity(manifest)
        with self._request("update", kind, name):
            live = self._find(kind, name)
            if manifest["metadata"].get("resourceVersion") != live["metadata"]["resourceVersion"]:
                raise Conflict("another version")
            return self._keep(kind, name, manifest)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete one object, and what it owns."""
        with self._request("delete", kind, Name(namespace, name)):
            if self._find(kind, Name(namespace, name))["metadata"]["uid"] != uid:
                raise Conflict("another uid")
            self.remove(kind, namespace, name)

    def admitted(self, manifest: Manifest) -> Manifest:
        """What the server takes of what is applied."""
        return manifest

    # What a test does itself, uncounted.

    def put(self, manifest: Manifest) -> Manifest:
        """As a user or another controller: create it, or merge into it."""
        kind, name = _identity(manifest)
        live = self.objects.get((kind, name)) or self._new(kind, name)
        return self._keep(kind, name, merged(live, manifest))

    def restore(self, objects: Iterable[Manifest]) -> None:
        """Whole objects as another cluster had them; what comes later is newer than they are."""
        self._numbers = itertools.count(1_000_000)
        for manifest in objects:
            self.objects[_identity(manifest)] = manifest

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete, and collect what nobody owns any more."""
        del self.objects[kind, Name(namespace, name)]
        self._forget(kind, Name(namespace, name))
        self.collect()

    def offer(self, *offered: Kind) -> None:
        """Install an API."""
        self.served.update(offered)

    def withdraw(self, kind: Kind) -> None:
        """Remove an API, and with it all objects of its kind."""
        self.served.discard(kind)
        for of, name in list(self.objects):
            if of == kind:
                self.remove(kind, *name)

    def heal(self) -> None:
        """Let no more requests fail."""
        self.before = self.after = _nothing

    def live(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """One object as it is."""
        return self.objects.get((kind, Name(namespace, name)))

    def names(self, kind: Kind) -> Sequence[str]:
        """The names of all objects of a kind."""
        return sorted(name.name for of, name in self.objects if of == kind)

    def state(self) -> dict[str, Any]:
        """The state of the world without what differs from run to run."""
        return {
            f"{kind.name} {name.namespace}/{name.name}": _without_accidents(found)
            for (kind, name), found in sorted(self.objects.items(), key=lambda item: (item[0][0].name, item[0][1]))
            if kind is not kinds.EVENTS
        }

    def collect(self) -> None:
        """The garbage collector: whatever had owners and has none left."""
        alive = {found["metadata"]["uid"] for found in self.objects.values()}
        for key, found in list(self.objects.items()):
            owners = found["metadata"].get("ownerReferences") or []
            if owners and not any(owner["uid"] in alive for owner in owners):
                del self.objects[key]
                self._forget(*key)
                self.collect()
                return

    def _request(self, verb: str, kind: Kind, name: Name) -> "_Counted":
        self.requests.append((verb, kind, name))
        return _Counted(self, len(self.requests))

    def _has(self, kind: Kind) -> bool:
        return kind not in kinds.OPTIONAL_KINDS or kind in self.served

    def _must_have(self, kind: Kind) -> None:
        if not self._has(kind):
            raise NotFound("the server could not find the requested resource")

    def _find(self, kind: Kind, name: Name) -> Manifest:
        found = self.objects.get((kind, name))
        if found is None:
            raise NotFound(f"{kind.name} {name.name} not found")
        return found

    def _new(self, kind: Kind, name: Name) -> Manifest:
        number = next(self._numbers)
        self._incarnations[kind, name] += 1
        # The same in each run, and another one for each object that ever had the name.
        uid = f"{kind.plural}-{name.namespace}-{name.name}-{self._incarnations[kind, name]}"
        metadata: Manifest = {"name": name.name, "uid": uid, "generation": 0}
        if kind.namespaced:
            metadata["namespace"] = name.namespace
        metadata["creationTimestamp"] = f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}

    def _write(
        self, kind: Kind, name: Name, live: Manifest, intent: Manifest, *, part: str = "", manager: str = FIELD_MANAGER
    ) -> Manifest:
        said = self._applied.setdefault((kind, name, part), {})
        known = said.get(manager, {})
        said[manager] = copy.deepcopy(intent)
        everybody: Manifest = {}
        for each in said.values():
            everybody = merged(everybody, each)
        return self._keep(kind, name, merged(without_dropped(live, known, everybody), intent))

    def _keep(self, kind: Kind, name: Name, wanted: Manifest) -> Manifest:
        """Store it, with a new version if anything changed and a new generation if the specification did."""
        old = self.objects.get((kind, name))
        if old != wanted:
            wanted = copy.deepcopy(wanted)
            wanted["metadata"]["resourceVersion"] = str(next(self._numbers))
            if old is None or old.get("spec") != wanted.get("spec"):
                wanted["metadata"]["generation"] = wanted["metadata"].get("generation", 0) + 1
            self.objects[kind, name] = wanted
        return copy.deepcopy(self.objects[kind, name])

    def _forget(self, kind: Kind, name: Name) -> None:
        for part in ("", "status"):
            self._applied.pop((kind, name, part), None)


class _Counted:
    """The hooks around one request."""

    def __init__(self, cluster: InMemoryCluster, number: int) -> None:
        self._cluster = cluster
        self._number = number

    def __enter__(self) -> None:
        self._cluster.before(self._number)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._cluster.after(self._number)


def _nothing(_number: int) -> None:
    return


def failing_at(number: int, error: BaseException) -> Hook:
    """A hook that lets exactly one request fail."""

    def hook(each: int) -> None:
        if each == number:
            raise error

    return hook


def merged(live: Mapping[str, Any], intent: Mapping[str, Any]) -> Manifest:
    """The intent over the live object; lists as a whole."""
    result = dict(copy.deepcopy(live))
    for key, value in intent.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


def without_nulls(value: Mapping[str, Any]) -> Manifest:
    """Null in a merge patch takes a field away."""
    return {
        key: without_nulls(each) if isinstance(each, Mapping) else each
        for key, each in value.items()
        if each is not None
    }


def without_dropped(live: Mapping[str, Any], known: Mapping[str, Any], intent: Mapping[str, Any]) -> Manifest:
    """The live object without the fields that were applied before and are no longer."""
    result = dict(live)
    for key, value in known.items():
        if key not in result:
            continue
        if key not in intent:
            del result[key]
        elif all(isinstance(each, Mapping) for each in (value, result[key], intent[key])):
            result[key] = without_dropped(result[key], value, intent[key])
    return result


def matches(found: Manifest, selector: str) -> bool:
    """`key=value`, `key`, `!key` and `key in (a,b)`, joined by commas."""
    labels = found["metadata"].get("labels") or {}
    return all(_holds(labels, term) for term in re.split(r",(?![^(]*\))", selector) if term)


def _holds(labels: Mapping[str, str], term: str) -> bool:
    if " in " in term:
        key, _, values = term.partition(" in ")
        return labels.get(key) in values.strip("()").split(",")
    if term.startswith("!"):
        return term[1:] not in labels
    key, equals, value = term.partition("=")
    return labels.get(key) == value if equals else key in labels


def _identity(manifest: Manifest) -> tuple[Kind, Name]:
    metadata = manifest["metadata"]
    return kind_of(manifest["apiVersion"], manifest["kind"]), Name(metadata.get("namespace", ""), metadata["name"])


def _without_accidents(found: Manifest) -> Manifest:
    """No versions and times: what is left must be the same however the way there went."""
    accidents = {"resourceVersion", "creationTimestamp", "generation"}
    metadata = {key: value for key, value in found["metadata"].items() if key not in accidents}
    return copy.deepcopy({**found, "metadata": metadata})
