"""What was observed, cut down to what a reconcile needs: a cache that may be late, never the truth.

It says what to look at and what the status should tell. Nothing is deleted, and nothing created for the first time, on
its word alone: the reconcilers ask the API server before they do either.

Both the watch and our own requests feed it. What we just wrote is therefore seen at once, and an event that is still on
its way from before that write is passed over for its older version.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from edgeglm_api import labels
from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.model import InvalidObject, read
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.device import NOT_LISTED, NOT_SERVED, Device, device_from
from edgeglm_operator.kube import kinds
from edgeglm_operator.kube.client import Manifest
from edgeglm_operator.kube.kinds import Kind
from edgeglm_operator.observed import Apis, Node, Pod, node_from, pod_from
from edgeglm_operator.topology_map import TopologyMap, topology_map_from

T = TypeVar("T")

_FASTEST: Final = 1
OWNER_LABELS: Final = (labels.SERVICE, labels.SITE)


class Name(NamedTuple):
    """An object among those of its kind."""

    namespace: str
    name: str


class Owner(NamedTuple):
    """Whom a child belongs to, by its label."""

    label: str
    name: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole object but for the server's book of fields, packed: as Python objects it would be ten times as large.

    A Deployment of 10 KiB takes 4 (and 15 as JSON alone: the encoder leaves room behind it), for 15 µs at each look.
    """

    packed: bytes

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Snapshot":
        """Pack an object."""
        metadata = {key: value for key, value in raw["metadata"].items() if key != "managedFields"}
        return cls(zlib.compress(msgspec.json.encode({**raw, "metadata": metadata}), _FASTEST))

    def unpack(self) -> Manifest:
        """The object, for the caller alone."""
        manifest: Manifest = msgspec.json.decode(zlib.decompress(self.packed))
        return manifest


@dataclass(frozen=True, slots=True)
class Change:
    """Something about an object is other than it was."""

    kind: Kind
    name: Name
    owner: Owner | None
    wish: bool
    """Its specification, identity or end, not only its status."""
    before: Any
    """What was known of it; None if nothing was."""
    after: Any
    """What is known now; None when it is gone."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    uid: str
    version: str
    ending: bool
    generation: int | None
    """Counts what is asked for; where a kind has its status beside it, that too."""
    owner: Owner | None
    value: T


class Table(Generic[T]):
    """The objects of one kind, each as `project` cuts it down."""

    def __init__(self, kind: Kind, project: Callable[[Manifest], T]) -> None:
        self.kind = kind
        self._project = project
        self._entries: dict[Name, _Entry[T]] = {}
        self._unreadable: dict[Name, _Entry[str]] = {}
        self._owned: defaultdict[tuple[str, Owner], set[Name]] = defaultdict(set)
        self._named: defaultdict[str, set[Name]] = defaultdict(set)
        self.settled: dict[Name, tuple[str, str]] = {}
        """At which version, with which intent, an object was compared or applied: the same is not compared again.
        What the server keeps in another form than it was given would even be applied again and again."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self._entries)

    def get(self, namespace: str, name: str) -> T | None:
        """One object, if it was observed."""
        entry = self._entries.get(Name(namespace, name))
        return entry.value if entry else None

    def all(self) -> Iterator[T]:
        """All of them."""
        return (entry.value for entry in self._entries.values())

    def namespaces(self) -> Iterator[str]:
        """The namespaces that have any."""
        return (namespace for namespace, names in self._named.items() if names)

    def in_namespace(self, namespace: str) -> list[T]:
        """Those of one namespace, by name."""
        return self._values(self._named.get(namespace, ()))

    def named_in(self, namespace: str) -> dict[str, T]:
        """Those of one namespace with their names."""
        return {name.name: self._entries[name].value for name in self._named.get(namespace, ())}

    def owned_by(self, namespace: str, label: str, name: str) -> list[T]:
        """Those with an owner's label, by name."""
        return self._values(self.names_owned_by(namespace, label, name))

    def names_owned_by(self, namespace: str, label: str, name: str) -> Iterable[Name]:
        """The names of those."""
        return self._owned.get((namespace, Owner(label, name)), ())

    def fault(self, namespace: str, name: str) -> str | None:
        """Why one object cannot be read; None when it can, or is not there."""
        entry = self._unreadable.get(Name(namespace, name))
        return entry.value if entry else None

    def unreadable(self, namespace: str) -> set[str]:
        """The names of those that cannot be read."""
        return {name.name for name in self._unreadable if name.namespace == namespace}

    def versions(self) -> dict[Name, str]:
        """The version of each as of now, those included that cannot be read."""
        tables: tuple[Mapping[Name, _Entry[Any]], ...] = (self._entries, self._unreadable)
        return {name: entry.version for table in tables for name, entry in table.items()}

    def put(self, raw: Manifest) -> Change | None:
        """Take an object in; None when it is no newer than what is known, or the same as far as we look.

        One that does not have the shape of its kind is set aside. What was known of it is forgotten, so that nothing
        depends on whether this process saw it before.
        """
        name, old = _name_of(raw), self._entries.get(_name_of(raw))
        known: _Entry[Any] | None = old or self._unreadable.get(name)
        if known is not None and _is_no_newer(raw["metadata"], known):
            return None
        try:
            entry = _entry_of(raw, self._project(raw))
        except InvalidObject as error:
            return self._set_aside(name, _entry_of(raw, str(error)))
        self._unreadable.pop(name, None)
        if old is not None and old.owner != entry.owner:
            self._drop(name)
        self._entries[name] = entry
        self._named[name.namespace].add(name)
        if entry.owner is not None:
            self._owned[name.namespace, entry.owner].add(name)
        if old is None:
            return Change(self.kind, name, entry.owner, wish=True, before=None, after=entry.value)
        if (old.value, old.uid, old.ending) == (entry.value, entry.uid, entry.ending):
            return None
        wish = (old.uid, old.ending, old.generation) != (entry.uid, entry.ending, entry.generation)
        return Change(self.kind, name, entry.owner, wish=wish, before=old.value, after=entry.value)

    def remove(self, name: Name, *, uid: str = "") -> Change | None:
        """Forget an object, unless the name has been taken by another one since."""
        old = self._entries.get(name)
        entry: _Entry[Any] | None = old or self._unreadable.get(name)
        if entry is None or (uid and entry.uid != uid):
            return None
        self._unreadable.pop(name, None)
        if old is not None:
            self._drop(name)
        return Change(self.kind, name, entry.owner, wish=True, before=old.value if old else None, after=None)

    def _set_aside(self, name: Name, entry: _Entry[str]) -> Change | None:
        known, old = self._unreadable.get(name), self._entries.get(name)
        self._unreadable[name] = entry
        if old is not None:
            self._drop(name)
        elif known is not None and (known.value, known.version) == (entry.value, entry.version):
            return None
        return Change(self.kind, name, entry.owner, wish=True, before=old.value if old else None, after=None)

    def _drop(self, name: Name) -> None:
        entry = self._entries.pop(name)
        self.settled.pop(name, None)
        self._named[name.namespace].discard(name)
        if entry.owner is not None:
            self._owned[name.namespace, entry.owner].discard(name)

    def _values(self, names: Iterable[Name]) -> list[T]:
        return [self._entries[name].value for name in sorted(names)]


class Store:
    """All that was observed."""

    def __init__(self) -> None:
        self.services = Table(kinds.INFERENCE_SERVICES, _reader(InferenceService))
        self.graphs = Table(kinds.SENSOR_GRAPHS, _reader(SensorGraph))
        self.sites = Table(kinds.EDGE_SITES, _reader(EdgeSite))
        self.site_objects = Table(kinds.EDGE_SITES, Snapshot.of)
        self.deployments = Table(kinds.DEPLOYMENTS, Snapshot.of)
        self.cluster_services = Table(kinds.SERVICES, Snapshot.of)
        self.config_maps = Table(kinds.CONFIG_MAPS, Snapshot.of)
        self.topologies: Table[TopologyMap] = Table(kinds.TOPOLOGIES, topology_map_from)
        self.devices: Table[Device] = Table(kinds.DEVICES, device_from)
        self.device_faults: dict[str, str] = {}
        """By namespace with a graph that asks for Devices: why they cannot be read; empty where they were."""
        self.crowded: set[str] = set()
        """Namespaces with more topologies than are read."""
        self.jobs = Table(kinds.JOBS, Snapshot.of)
        self.disruption_budgets = Table(kinds.DISRUPTION_BUDGETS, Snapshot.of)
        self.network_policies = Table(kinds.NETWORK_POLICIES, Snapshot.of)
        self.pods: Table[Pod] = Table(kinds.PODS, pod_from)
        self.nodes: Table[Node] = Table(kinds.NODES, node_from)
        self.optional: tuple[Table[Snapshot], ...] = tuple(
            Table(kind, Snapshot.of) for kind in kinds.OPTIONAL_CHILD_KINDS
        )
        self.offered: set[Kind] = set()
        """The optional kinds that the cluster has, and that we may read."""
        self.nodes_readable = True
        """False without the role to read nodes: then what the store says about them means nothing."""
        self.nodes_watched = True
        """False where that was so at the start: then they are listed now and then, as the role may come."""
        self._tables: tuple[Table[Any], ...] = (
            self.services,
            self.graphs,
            self.site_objects,
            self.sites,
            self.deployments,
            self.cluster_services,
            self.config_maps,
            self.topologies,
            self.devices,
            self.jobs,
            self.disruption_budgets,
            self.network_policies,
            self.pods,
            self.nodes,
            *self.optional,
        )

    @property
    def apis(self) -> Apis:
        """The optional kinds that the cluster has, by what they are for."""
        return Apis(
            leader_worker_sets=kinds.LEADER_WORKER_SETS in self.offered,
            knative_services=kinds.KNATIVE_SERVICES in self.offered,
            scaled_objects=kinds.SCALED_OBJECTS in self.offered,
            interceptor_routes=kinds.INTERCEPTOR_ROUTES in self.offered,
            pod_metrics={kinds.AUTOSCALERS, kinds.POD_METRICS} <= self.offered,
            pod_monitors=kinds.POD_MONITORS in self.offered,
            http_routes=kinds.HTTP_ROUTES in self.offered,
            inference_pools=kinds.INFERENCE_POOLS in self.offered,
        )

    def devices_at(self, namespace: str, node: str) -> tuple[Device, ...] | str:
        """The Devices of a node, by name; or why they are not known."""
        if kinds.DEVICES not in self.offered:
            return NOT_SERVED
        if fault := self.device_faults.get(namespace, NOT_LISTED):
            return fault
        found = (device for device in self.devices.named_in(namespace).values() if device.node == node)
        return tuple(sorted(found, key=lambda device: device.name))

    def table(self, kind: Kind) -> Table[Any]:
        """The table of a kind; of EdgeSites the typed one."""
        return next(table for table in reversed(self._tables) if table.kind == kind)

    def snapshots(self, kind: Kind) -> Table[Snapshot]:
        """The whole objects of a kind that the operator makes."""
        return next(table for table in self._tables if table.kind == kind)

    def put(self, kind: Kind, raw: Manifest) -> Change | None:
        """Take an object in."""
        return _last([table.put(raw) for table in self._tables if table.kind == kind])

    def remove(self, kind: Kind, name: Name, *, uid: str = "") -> Change | None:
        """Forget an object."""
        return _last([table.remove(name, uid=uid) for table in self._tables if table.kind == kind])


def owner_of(raw: Mapping[str, Any]) -> Owner | None:
    """Whom a child belongs to, by its labels."""
    found: Mapping[str, str] = raw["metadata"].get("labels") or {}
    return next((Owner(label, found[label]) for label in OWNER_LABELS if label in found), None)


def _entry_of(raw: Manifest, value: T) -> _Entry[T]:
    metadata = raw["metadata"]
    return _Entry(
        uid=metadata.get("uid", ""),
        version=metadata.get("resourceVersion", ""),
        ending=bool(metadata.get("deletionTimestamp")),
        generation=metadata.get("generation"),
        owner=owner_of(raw),
        value=value,
    )


def _reader(kind: type[T]) -> Callable[[Manifest], T]:
    def project(raw: Manifest) -> T:
        try:
            return read(raw, kind)
        except InvalidObject as error:
            if not error.field.startswith("status"):
                raise
            # Another release wrote it; it says nothing that cannot be observed again, and is written anew.
            return read({**raw, "status": {}}, kind)

    return project


def _last(changes: list[Change | None]) -> Change | None:
    """Of a kind with two tables, the change of the typed one."""
    return next((change for change in reversed(changes) if change is not None), None)


def _name_of(raw: Manifest) -> Name:
    return Name(raw["metadata"].get("namespace", ""), raw["metadata"]["name"])


def _is_no_newer(metadata: Mapping[str, Any], known: _Entry[Any]) -> bool:
    """Versions of one object can be compared as numbers (a promise since Kubernetes 1.35, a fact long before).

    Half of all events tell of what we wrote and know already from the answer.
    """
    new, old = metadata.get("resourceVersion", ""), known.version
    return metadata.get("uid") == known.uid and new.isdecimal() and old.isdecimal() and int(new) <= int(old)
