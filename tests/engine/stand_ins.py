"""Stand-ins for the NVIDIA libraries that a CUDA build of torch is linked with.

`import torch` binds every symbol at once, so the libraries must be there, though nothing on a CPU calls them. They are
1.8 GB to download and 1.8 GB in an image. A stand-in has the names that torch binds; each function returns 1, which is
an error in all of these libraries, so that a caller hears "no" instead of a wrong result. The small ones that torch
does call without a GPU (the runtime, the profiler, cuFile) are the real ones, from nvidia.txt.
"""

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.cluster.cache import cache_root
from tests.cluster.command import run
from tests.cluster.debian import Package, install

ASSEMBLER = (Package("binutils", "as"),)
# Each library, and the version that its symbols carry.
LIBRARIES = {
    "libcublas.so.13": "libcublas.so.13",
    "libcublasLt.so.13": "libcublasLt.so.13",
    "libcudnn.so.9": "libcudnn.so.9",
    "libcufft.so.12": "libcufft.so.12",
    "libcurand.so.10": "",
    "libcusparse.so.12": "libcusparse.so.12",
    "libcusparseLt.so.0": "",
    "libnccl.so.2": "",
    "libnvrtc.so.13": "libnvrtc.so.13",
    "libnvshmem_host.so.3": "NVSHMEM",
}
# What `nm` prints of a symbol that is bound from elsewhere.
BOUND = re.compile(r"^ +U (?P<name>(?:cu|nv|nccl)\w+)(?:@(?P<version>\S+))?$", re.MULTILINE)
RETURN_1 = "mov $1, %eax\nret\n"


def make_stand_ins(torch_libraries: Path) -> None:
    """Write them beside torch's own libraries, where its linker path ends."""
    install(ASSEMBLER)
    bound = _bound(torch_libraries)
    for library, version in LIBRARIES.items():
        # A symbol without a version does not say where it is from: every library without versions has all of those.
        _link(torch_libraries / library, version, sorted(bound[version]))


def _bound(torch_libraries: Path) -> dict[str, set[str]]:
    """The names that torch binds, by their version."""
    names = defaultdict(set)
    for match in BOUND.finditer(run(["nm", "--dynamic", "--undefined-only", *torch_libraries.glob("lib*.so")])):
        names[match["version"] or ""].add(match["name"])
    return names


def _link(library: Path, version: str, names: Iterable[str]) -> None:
    with tempfile.TemporaryDirectory(dir=cache_root()) as scratch:
        source, thing, script = (Path(scratch, f"stand-in.{kind}") for kind in ("s", "o", "map"))
        source.write_text("".join(f".globl {name}\n.type {name}, @function\n{name}:\n" for name in names) + RETURN_1)
        script.write_text(f"{version} {{ global: *; }};\n")
        run(["as", source, "-o", thing])
        run(["ld", "-shared", f"-soname={library.name}", f"--version-script={script}", thing, "-o", library])
