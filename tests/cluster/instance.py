"""The names and addresses of one test cluster, so that several can exist on one machine.

Everything that the machine shares (links, namespaces, cgroups, addresses) is derived from a short instance name and
from a slot: a number below 100 that no other instance uses, which gives the cluster 10.(100+slot).0.0/16 to itself.
"""

import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.cache import cache_root, locked

SLOTS = 100
# An interface name has at most 15 characters, and "eg-NAME-br" must fit.
NAME = re.compile(r"[a-z0-9]{1,8}")


@dataclass(frozen=True)
class Instance:
    """One test cluster's directory, names and addresses."""

    name: str
    directory: Path
    slot: int

    @property
    def bridge(self) -> str:
        """The link that joins the two nodes and carries the API server's address."""
        return f"eg-{self.name}-br"

    @property
    def namespace(self) -> str:
        """The network namespace of edge-1."""
        return f"eg-{self.name}-edge"

    @property
    def link(self) -> str:
        """The near end of the site's link; taking it down cuts the site off."""
        return f"eg-{self.name}-up"

    @property
    def far_link(self) -> str:
        """The end of the link inside the namespace."""
        return f"eg-{self.name}-dn"

    def address(self, third: int, fourth: int) -> str:
        """An address of this instance."""
        return f"10.{100 + self.slot}.{third}.{fourth}"

    @property
    def service_subnet(self) -> str:
        """The range of ClusterIPs: the benches make more services than the 4,094 of a /20."""
        return f"{self.address(128, 0)}/17"

    @property
    def api_address(self) -> str:
        """The ClusterIP of the `kubernetes` service: the API server binds to it when there are real nodes."""
        return self.address(128, 1)


def default_directory(name: str) -> Path:
    """Where an instance keeps its state unless told otherwise."""
    return cache_root() / "clusters" / name


def claim_instance(name: str, directory: Path | None = None) -> Instance:
    """Take the instance of that name, with a slot that it keeps until it is released."""
    if not NAME.fullmatch(name):
        raise ValueError(f"the instance name {name!r} must match {NAME.pattern}: links and cgroups are named after it")
    with locked("slots"):
        known = find_instance(name, directory)
        return known or _claim(name, directory or default_directory(name))


def find_instance(name: str, directory: Path | None = None) -> Instance | None:
    """The instance as it was claimed, or None."""
    record = (directory or default_directory(name)) / "instance.json"
    if not record.exists():
        return None
    kept = json.loads(record.read_text())
    return Instance(kept["name"], Path(kept["directory"]), kept["slot"])


def release_instance(instance: Instance) -> None:
    """Give the slot back."""
    with locked("slots"):
        (_claims() / f"{instance.slot}").unlink(missing_ok=True)
        (instance.directory / "instance.json").unlink(missing_ok=True)


def _claim(name: str, directory: Path) -> Instance:
    slot = next(slot for slot in _preferred(name) if _is_free(slot))
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    record = {"name": name, "directory": str(directory), "slot": slot}
    (_claims() / f"{slot}").write_text(str(directory))
    (directory / "instance.json").write_text(json.dumps(record))
    return Instance(name, directory, slot)


def _preferred(name: str) -> Iterator[int]:
    """All slots, the same first one for a name each time."""
    first = zlib.crc32(name.encode()) % SLOTS
    return ((first + step) % SLOTS for step in range(SLOTS))


def _is_free(slot: int) -> bool:
    """No other instance has claimed it (a claim whose directory is gone does not count), and no route leads there."""
    claim = _claims() / f"{slot}"
    claimed = claim.exists() and (Path(claim.read_text()) / "instance.json").exists()
    return not claimed and not _is_routed(100 + slot)


def _is_routed(second: int) -> bool:
    """Tell whether the machine has a route into 10.SECOND; /proc/net/route has addresses as little-endian hex."""
    lines = Path("/proc/net/route").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f"{second:02X}0A") for line in lines)


def _claims() -> Path:
    directory = cache_root() / "slots"
    directory.mkdir(exist_ok=True)
    return directory
