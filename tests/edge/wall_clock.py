"""A wall clock that a test can set while the agent runs, as an administrator or a bad time server does."""

import struct
import subprocess
from pathlib import Path

from tests.cluster.debian import COMPILER_PACKAGES, install
from tests.edge.agent_process import AgentProcess

SOURCE = Path(__file__).with_name("wall_clock.c")


class WallClock:
    """What an agent reads as the time of day; what passes between two moments stays as it is."""

    def __init__(self, folder: Path, agent: AgentProcess) -> None:
        self._file = folder / "off-by"
        library = folder / "wall_clock.so"
        install(COMPILER_PACKAGES)
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        self._file.write_bytes(struct.pack("q", 0))
        agent.environment |= {"LD_PRELOAD": str(library), "WALL_CLOCK_OFF_BY": str(self._file)}

    def set(self, *, off_by_seconds: int) -> None:
        """In place: the agent has mapped the file."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", off_by_seconds))
