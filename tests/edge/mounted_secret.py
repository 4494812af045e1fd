"""A Secret as a pod has it mounted."""

import shutil
from pathlib import Path

from tests.cluster.pki import KeyPair


class Secret:
    """A directory behind a link that is swapped when its content changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._versions = 0
        folder.mkdir(parents=True)

    def hold(self, **files: bytes | Path) -> None:
        """Change all of it at once, as the kubelet does."""
        self._versions += 1
        version = self.folder / f"..{self._versions}"
        version.mkdir()
        for name, content in files.items():
            to = version / name.replace("_", ".")
            to.write_bytes(content) if isinstance(content, bytes) else shutil.copy(content, to)
            link = self.folder / to.name
            if not link.is_symlink():
                link.symlink_to(Path("..data") / to.name)
        draft = self.folder / "..data_tmp"
        draft.symlink_to(version.name)
        draft.rename(self.folder / "..data")

    def hold_pair(self, pair: KeyPair) -> None:
        self.hold(tls_crt=pair.cert, tls_key=pair.key)
