"""What was seen under faults, as lines of JSON for docs/faults.md: written when `make faults` asks for it."""

import json
import os
import time
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any


def tell(fault: str, **seen: Any) -> None:
    """Write down what was seen."""
    if path := os.environ.get("EDGEGLM_FAULT_REPORT"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"fault": fault, **seen}) + "\n")


class Recovery:
    """Measures how long it takes until all is as before; a fault may come many times."""

    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._seconds: list[float] = []
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._seconds.append(time.monotonic() - self._began)

    def tell(self, **seen: Any) -> None:
        """Write down what was seen, and how long it took."""
        seconds = {"medianSeconds": round(median(self._seconds), 2), "mostSeconds": round(max(self._seconds), 2)}
        tell(self._fault, **seconds, **seen)
