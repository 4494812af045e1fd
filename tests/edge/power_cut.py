"""A power cut: what a file had at its last completed sync is there, of what came after that anything may be."""

import random
import subprocess
from pathlib import Path

from tests.cluster.debian import COMPILER_PACKAGES, install
from tests.edge.agent_process import AgentProcess

BLOCK_BYTES = 4096
SOURCE = Path(__file__).with_name("power_cut.c")


class PowerCut:
    """Lets an agent keep copies of what it has synced, and damages all else once it was killed."""

    def __init__(self, folder: Path, agent: AgentProcess) -> None:
        self._agent = agent
        self._copies = folder / "synced"
        self._copies.mkdir()
        self._moments = random.Random(11)  # noqa: S311 - the same damage again
        library = folder / "power_cut.so"
        install(COMPILER_PACKAGES)
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        agent.environment |= {"LD_PRELOAD": str(library), "POWER_CUT_COPIES": str(self._copies)}
        self.damaged = 0
        """Files that were not as they were synced last."""

    def strike(self) -> None:
        """Kill the agent, and leave its files as a disk might that lost its power."""
        self._agent.kill()
        (spool,) = (path.parent for path in self._agent.data.glob("*/ledger.db"))
        for path in (spool / "ledger.db", spool / "ledger.db-wal", *(spool / "raw").glob("*.log")):
            if path.exists():
                self._damage(path)
        (spool / "ledger.db-shm").unlink(missing_ok=True)

    def _damage(self, path: Path) -> None:
        copy, now = self._copies / path.name, path.read_bytes()
        synced = copy.read_bytes() if copy.exists() else b""
        if synced == now:
            return
        self.damaged += 1
        blocks = range(0, max(len(synced), len(now)), BLOCK_BYTES)
        after = b"".join(self._block(synced[at : at + BLOCK_BYTES], now[at : at + BLOCK_BYTES]) for at in blocks)
        path.write_bytes(after[: max(len(synced), self._moments.randint(0, len(after)))])

    def _block(self, synced: bytes, now: bytes) -> bytes:
        """Return a block as it was synced, as it is, or with bytes behind the synced ones that nobody wrote."""
        if now.startswith(synced) and self._moments.random() < 0.3:
            return synced + self._moments.randbytes(len(now) - len(synced))
        return self._moments.choice((synced, now))
