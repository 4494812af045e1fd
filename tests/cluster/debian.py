"""Programs that come from Debian: present is enough, root installs what is not, others are told the line to type."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.cache import locked
from tests.cluster.command import run
from tests.cluster.progress import step

POLICY = Path("/usr/sbin/policy-rc.d")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CNI_DIRECTORIES = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))


@dataclass(frozen=True)
class Package:
    """A Debian package, and a program, or a file by its whole path, that shows that it is there."""

    name: str
    shown_by: str


NODE_PACKAGES = (
    Package("runc", "runc"),
    Package("containernetworking-plugins", "bridge"),
    Package("iproute2", "ip"),
    Package("util-linux", "nsenter"),
)
IMAGE_PACKAGES = (Package("buildah", "buildah"), Package("mmdebstrap", "mmdebstrap"))
# The broker of a site is a plain program, with a small configuration of the lab's own.
BROKER_PACKAGES = (Package("mosquitto", "mosquitto"),)
# For promtool, which judges queries and rules as Prometheus does; the server itself is not started.
PROMETHEUS_PACKAGES = (Package("prometheus", "promtool"),)
BROWSER_PACKAGES = (Package("chromium-headless-shell", "chromium-headless-shell"),)
# Not a program: a page that asks for the font of the system gets it in pictures.
FONT_PACKAGES = (Package("fonts-inter", "/usr/share/fonts/opentype/inter/Inter-Regular.otf"),)
COMPILER_PACKAGES = (Package("gcc", "gcc"), Package("libc6-dev", "gencat"))


class MissingPackagesError(RuntimeError):
    """Programs are missing and may not be installed by this user; the message has the line to type."""


def missing_packages(packages: Sequence[Package]) -> list[str]:
    """Names of the packages whose program is nowhere."""
    return [package.name for package in packages if not _is_there(package)]


def install(packages: Sequence[Package]) -> None:
    """Install what is missing."""
    names = missing_packages(packages)
    if not names:
        return
    line = f"apt-get install --no-install-recommends {' '.join(names)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingPackagesError(f"programs are missing; as root: {line}")
    with locked("apt"), step(line), _no_service_starts():
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "--quiet"], bound_seconds=180)
        options = ["--quiet", "--yes", "-o", "DPkg::Lock::Timeout=300"]
        run([*line.split(), *options], env=environment, bound_seconds=600)


def cni_plugins() -> Path:
    """The directory of the CNI plugins."""
    for directory in CNI_DIRECTORIES:
        if (directory / "bridge").exists():
            return directory
    raise MissingPackagesError("the CNI plugins are missing; as root: apt-get install containernetworking-plugins")


def _is_there(package: Package) -> bool:
    path = ":".join([os.environ.get("PATH", ""), SYSTEM_PATH, *map(str, CNI_DIRECTORIES)])
    return shutil.which(package.shown_by, path=path) is not None or _is_file(package.shown_by)


def _is_file(path: str) -> bool:
    return path.startswith("/") and Path(path).exists()


@contextlib.contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep Debian from starting a broker or a runtime just because its package was installed.

    Debian asks /usr/sbin/policy-rc.d before it starts a service; 101 means "no". A policy that is there already stays.
    """
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
