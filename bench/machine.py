"""Where a figure was measured, how busy that was, and what a process has used of it."""

import os
import platform
from pathlib import Path
from typing import Any, Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_MIB: Final = 1024 * 1024


def machine() -> dict[str, Any]:
    """Return the processor, the Python, and the load of the last minute."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    return {
        "machine": f"{os.cpu_count()} x {model}, Python {platform.python_version()}",
        "load": round(os.getloadavg()[0], 1),
    }


def cpu_seconds(pid: int) -> float:
    """Return how much processor time a process has had."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICKS


def rss_mib(pid: int) -> float:
    """Return how much memory a process holds now."""
    return round(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES / _MIB, 1)
