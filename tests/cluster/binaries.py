"""Where the programs of the cluster come from: the user's own, or built once from Go modules.

KUBEBUILDER_ASSETS names a directory with programs that are there already; what it lacks is built. Built programs are
kept in the cache under a key of what they were built from, so that a new version is a new directory.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.cache import cache_root, key_of, locked
from tests.cluster.command import run
from tests.cluster.progress import say, step

MODULES = Path(__file__).parent / "go"
PROGRESS_SECONDS = 15


@dataclass(frozen=True)
class Program:
    """One program, and the Go package that it is built from."""

    name: str
    package: str


PROGRAMS: dict[str, tuple[Program, ...]] = {
    # First, since images can be imported while the rest compiles.
    "containerd": (
        Program("containerd", "github.com/containerd/containerd/v2/cmd/containerd"),
        Program("containerd-shim-runc-v2", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"),
        Program("ctr", "github.com/containerd/containerd/v2/cmd/ctr"),
    ),
    "kubernetes": (
        Program("etcd", "go.etcd.io/etcd/server/v3"),
        Program("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
        Program("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
        Program("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
        Program("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
        Program("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ),
    "kwok": (Program("kwok", "sigs.k8s.io/kwok/cmd/kwok"),),
    "keda": (
        Program("keda-operator", "github.com/kedacore/keda/v2/cmd/operator"),
        Program("keda-adapter", "edgeglm.io/tests/cluster/keda/adapter"),
    ),
    "registry": (Program("registry", "edgeglm.io/tests/cluster/registry"),),
    "knative": (Program("knative-webhook", "edgeglm.io/tests/cluster/knative"),),
}
FOR_TESTS = frozenset({"kwok", "keda", "registry", "knative"})
"""The modules that no cluster needs to run."""


class MissingToolchainError(RuntimeError):
    """Go is absent or too old; the message says what to install."""


def program(name: str) -> Path:
    """The path of a program, building it when it is nowhere yet."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (Path(assets) / name).exists():
        return Path(assets) / name
    module = next(module for module, programs in PROGRAMS.items() if name in {each.name for each in programs})
    built = directory_of(module) / name
    if not built.exists():
        build(module, [each for each in PROGRAMS[module] if each.name == name])
    return built


def ensure(names: Sequence[str]) -> None:
    """Build whatever of these is missing, each module's in one go (they share most of their code)."""
    for module, programs in PROGRAMS.items():
        wanted = [each for each in programs if each.name in names and not _is_there(module, each.name)]
        if wanted:
            build(module, wanted)


def missing(names: Sequence[str]) -> list[str]:
    """Those that would have to be built."""
    return [
        each.name
        for module, programs in PROGRAMS.items()
        for each in programs
        if each.name in names and not _is_there(module, each.name)
    ]


def directory_of(module: str) -> Path:
    """The cache directory of a module's programs."""
    source = MODULES / module
    ours = sorted(path for path in source.rglob("*.go") if path.name != "tools.go")
    key = key_of([source / "go.mod", source / "go.sum", *ours, *_flags(module)])
    return cache_root() / "bin" / f"{module}-{key}"


def build(module: str, programs: Sequence[Program]) -> None:
    """Build programs of one module; each appears in the cache only when it is whole."""
    check_toolchain(module)
    with locked(f"build-{module}"):
        group = [each for each in programs if not _is_there(module, each.name)]
        if group:
            _build_group(module, group)


def check_toolchain(module: str) -> None:
    """Raise with what to install, unless the installed Go builds the module (or may fetch one that does)."""
    wanted = _go_line(module)
    if shutil.which("go") is None:
        raise MissingToolchainError(f"Go is not installed: install Go {wanted} or later, or set KUBEBUILDER_ASSETS")
    installed = run(["go", "env", "GOVERSION"], cwd=MODULES / module).strip().removeprefix("go").split()[0]
    fixed = run(["go", "env", "GOTOOLCHAIN"], cwd=MODULES / module).strip() == "local"
    if fixed and _as_numbers(installed) < _as_numbers(wanted):
        raise MissingToolchainError(f"Go {installed} is too old: install Go {wanted} or later (or GOTOOLCHAIN=auto)")


def _is_there(module: str, name: str) -> bool:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    return (directory_of(module) / name).exists() or bool(assets and (Path(assets) / name).exists())


def _build_group(module: str, group: Sequence[Program]) -> None:
    names = ", ".join(each.name for each in group)
    packages = [each.package for each in group]
    final = directory_of(module)
    final.mkdir(parents=True, exist_ok=True)
    # Kubernetes' own releases build the kubelet with cgo; without it, it works as well here, needs no C compiler, and
    # shares every compiled package with the rest (with cgo the whole tree is compiled a second time).
    env = {"CGO_ENABLED": "0"}
    with step(f"building {names} from the Go module {module}"), tempfile.TemporaryDirectory(dir=final) as scratch:
        _compile(MODULES / module, ["-o", f"{scratch}/", *_flags(module), *packages], env)
        for each in group:
            # Go names a program after the last part of its package that is no version: etcd's is "server".
            made = re.sub(r"/v\d+$", "", each.package).rpartition("/")[2]
            Path(scratch, made).rename(final / each.name)


def _compile(source: Path, arguments: Sequence[str], env: dict[str, str]) -> None:
    """Run `go build -v` and count the packages that it names as it compiles them."""
    argv = ["go", "build", "-v", *arguments]
    with subprocess.Popen(argv, cwd=source, env=os.environ | env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines, said = [], time.monotonic()
        for line in process.stderr:
            lines.append(line.rstrip())
            if time.monotonic() - said > PROGRESS_SECONDS:
                said = time.monotonic()
                say(f"  {len(lines)} packages compiled, now {lines[-1]}")
    if process.returncode:
        last = "\n".join(lines[-20:])
        raise RuntimeError(f"go build failed in {source}:\n{last}")


def _flags(module: str) -> list[str]:
    """Reproducible and small; Kubernetes needs its version or discovery and feature gates misbehave."""
    linker = ["-s", "-w"]
    tags = []
    if module == "kubernetes":
        linker += [
            f"-X k8s.io/component-base/version.{name}={value}" for name, value in _version_of_kubernetes().items()
        ]
    if module == "containerd":
        # Snapshotters that need C headers, and plugins that are not used.
        tags = ["-tags", "no_btrfs,no_zfs,no_devmapper,no_cri_nri"]
    return ["-trimpath", *tags, "-ldflags", " ".join(linker)]


def _version_of_kubernetes() -> dict[str, str]:
    version = _find(r"k8s\.io/kubernetes v(\S+)", MODULES / "kubernetes" / "go.mod")
    major, minor, _ = version.split(".", 2)
    return {
        "gitVersion": f"v{version}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": "unknown",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
    }


def _go_line(module: str) -> str:
    return _find(r"(?m)^go (\S+)", MODULES / module / "go.mod")


def _find(pattern: str, path: Path) -> str:
    found = re.search(pattern, path.read_text())
    assert found, f"{pattern} is not in {path}"
    return found[1]


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
