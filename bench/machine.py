"""Where a figure was measured, and how busy that was."""

import os
import platform
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """Return the processor, the Python, and the load of the last minute."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    return {
        "machine": f"{os.cpu_count()} x {model}, Python {platform.python_version()}",
        "load": round(os.getloadavg()[0], 1),
    }
