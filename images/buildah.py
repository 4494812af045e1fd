"""Images without Docker: buildah, with a store of its own in the cache.

`chroot` isolation needs no systemd and no cgroups of its own; the network is the machine's, since there is no other.
"""

from pathlib import Path

from tests.cluster.cache import cache_root, locked
from tests.cluster.shown import run_shown

BUILD_SECONDS = 1800
# Where the machine's own certificate authorities are, which package indexes behind a proxy need.
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def build(tag: str, containerfile: Path, context: Path, archive: Path, *, base: Path | None, layers: bool) -> None:
    """Build one image into an OCI archive, on the image of another archive.

    It is not packed: it only travels to the next directory. With `layers`, steps that did not change are taken from the
    store; without, nothing is written twice.
    """
    part = archive.with_suffix(".part")
    options = ["--isolation", "chroot", "--network", "host", f"--layers={str(layers).lower()}"]
    if base:
        options.append(f"--build-arg=BASE=oci-archive:{base}")
    if CERTIFICATES.exists():
        options.append(f"--volume={CERTIFICATES}:{CERTIFICATES}:ro")
    target = ["--file", str(containerfile), "--tag", f"oci-archive:{part}:{tag}"]
    with locked("buildah"):
        run_shown([*_command(), "bud", *options, *target, context], r"^STEP \d+", bound_seconds=BUILD_SECONDS)
    part.rename(archive)


def _command() -> list[str]:
    store = cache_root() / "images" / "store"
    store.mkdir(parents=True, exist_ok=True)
    return ["buildah", "--storage-driver", "overlay", "--root", str(store), "--runroot", f"{store}-run"]
