"""A TUF repository made with python-tuf, and what its keepers or its thieves can do with it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

ROLES = ("root", "timestamp", "snapshot", "targets")


class TufRepository:
    """Publishes into `files`, by path below `base`."""

    def __init__(self, files: dict[str, bytes], base: str = "/plant") -> None:
        self._files = files
        self._base = base
        self.signers: dict[str, Signer] = {role: CryptoSigner.generate_ed25519() for role in ROLES}
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
        self.root = Metadata(Root(expires=expires, consistent_snapshot=True))
        for role in ROLES:
            self.root.signed.add_key(self.signers[role].public_key, role)
        self.timestamp = Metadata(Timestamp(expires=expires))
        self.snapshot = Metadata(Snapshot(expires=expires))
        self.targets = Metadata(Targets(expires=expires))
        self.publish_root(self.signers["root"])

    @property
    def first_root(self) -> bytes:
        return self._files[f"{self._base}/metadata/1.root.json"]

    def publish_root(self, *signers: Signer) -> None:
        self._put(f"{self.root.signed.version}.root.json", self.root, *signers)

    def rotate(self, role: str) -> None:
        """Give a role a new key, signed by the old root and the new one."""
        old_root = self.signers["root"]
        old, new = self.signers[role], CryptoSigner.generate_ed25519()
        self.root.signed.revoke_key(old.public_key.keyid, role)
        self.root.signed.add_key(new.public_key, role)
        self.root.signed.version += 1
        self.signers[role] = new
        self.publish_root(old_root, self.signers["root"])

    def publish(self, target: str, content: bytes) -> None:
        """Offer a target, with all metadata counted up."""
        found = TargetFile.from_data(target, content)
        self.targets.signed.targets[target] = found
        self._files[f"{self._base}/targets/{found.hashes['sha256']}.{target}"] = content
        self.publish_metadata()

    def publish_metadata(self) -> None:
        targets, snapshot, timestamp = self.targets.signed, self.snapshot.signed, self.timestamp.signed
        snapshot.meta["targets.json"] = MetaFile(version=targets.version)
        timestamp.snapshot_meta = MetaFile(version=snapshot.version)
        self._put(f"{targets.version}.targets.json", self.targets, self.signers["targets"])
        self._put(f"{snapshot.version}.snapshot.json", self.snapshot, self.signers["snapshot"])
        self._put("timestamp.json", self.timestamp, self.signers["timestamp"])
        for signed in (targets, snapshot, timestamp):
            signed.version += 1

    def expire(self) -> None:
        """Let the time of the timestamp run out."""
        self.timestamp.signed.expires = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
        self.publish_metadata()

    def _put(self, name: str, metadata: Metadata[Any], *signers: Signer) -> None:
        metadata.signatures.clear()
        for signer in dict.fromkeys(signers):
            metadata.sign(signer, append=True)
        self._files[f"{self._base}/metadata/{name}"] = metadata.to_bytes()
