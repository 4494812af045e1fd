"""Images are imported once on a machine, and each node starts with a copy that costs next to nothing.

Importing the engine's image takes a minute. So a containerd that runs nothing imports every archive into a store in the
cache, and a node's own store is made from it with hard links: contents and snapshots of images are never changed in
place (a container writes to a layer of its own), only the databases are, and those are copied.
"""

import json
import shutil
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tests.cluster.binaries import directory_of
from tests.cluster.cache import cache_root, key_of, locked
from tests.cluster.command import run
from tests.cluster.containerd import Containerd
from tests.cluster.process import ProcessTable
from tests.cluster.progress import step

IMPORT_SECONDS = 900


class ImageStore:
    """The imported images of one kind of node: a node gets all of its store, so each set of images has its own."""

    def __init__(self, images: Iterable[str]) -> None:
        # A store belongs to the containerd that wrote it.
        key = key_of([directory_of("containerd").name, *sorted(images)])
        self.directory = cache_root() / "image-store" / key
        self.containerd = Containerd("containerd", self.directory)

    def fill(self, archives: Sequence[Path]) -> None:
        """Import these archives, where they are not imported yet."""
        with self._alone():
            self._import(archives)

    def copy_into(self, root: Path, archives: Sequence[Path]) -> None:
        """Make the root directory of a node's containerd, with the images of these archives in it."""
        with self._alone():
            self._import(archives)
            with step(f"giving {root.parent.name} its images"):
                link_tree(self.containerd.root, root)

    def _alone(self) -> AbstractContextManager[None]:
        return locked(f"image-store-{self.directory.name}")

    def _import(self, archives: Sequence[Path]) -> None:
        missing = [archive for archive in archives if archive.name not in self._imported()]
        if not missing:
            return
        processes = ProcessTable(self.directory / "processes")
        self.containerd.start(processes)
        try:
            for archive in missing:
                with step(f"importing {archive.name}"):
                    self.containerd.ctr("images", "import", archive, bound_seconds=IMPORT_SECONDS)
                self._remember(archive.name)
        finally:
            processes.stop("containerd")

    def _imported(self) -> dict[str, str]:
        """The archive that each image was imported from last."""
        record = self.directory / "imported.json"
        return json.loads(record.read_text()) if record.exists() else {}

    def _remember(self, archive: str) -> None:
        """An image imported again takes the place of the one before."""
        image = image_of(archive)
        kept = {name: of for name, of in self._imported().items() if of != image}
        (self.directory / "imported.json").write_text(json.dumps(kept | {archive: image}))


def image_of(archive: str) -> str:
    """The image that an archive is of; the rest of the name is the key of what it was made from."""
    return archive.rpartition("-")[0]


def link_tree(source: Path, target: Path) -> None:
    """Copy a containerd root: hard links for what never changes, copies of the databases."""
    target.parent.mkdir(parents=True, exist_ok=True)
    run(["cp", "--archive", "--link", source, target], bound_seconds=300)
    for database in source.glob("*/*.db"):
        copy = target / database.relative_to(source)
        copy.unlink()
        shutil.copy2(database, copy)
