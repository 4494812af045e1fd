"""A plant that sends with its own clock, and knows what must be told of it."""

import threading
import time

from edgeglm_agent.moment import rfc3339
from tests.edge.sensors import Sensors


def recent(seconds_ago: int = 300) -> int:
    """Whole seconds; readings carry their own time, so nothing here depends on how fast the machine is."""
    return int(time.time()) - seconds_ago


class Stream(threading.Thread):
    """Sends readings of two lines with their own clock, one bad second in ten."""

    def __init__(self, sensors: Sensors, start: int, seconds: int, *, pause: float = 0.0) -> None:
        super().__init__(daemon=True)
        self._sensors = sensors
        self._start_s = start
        self._seconds = seconds
        self._pause = pause
        self.gate = threading.Lock()
        """Held by whoever wants no message to be under way from the sensors."""
        self.enough = threading.Event()
        """Set by whoever wants it to end early."""
        self.expected: set[tuple[str, str, str]] = set()
        """Partition, start and end of the windows that must be asked about."""

    def run(self) -> None:
        for second in range(self._seconds):
            if self.enough.is_set():
                break
            bad = second % 10 == 5
            with self.gate:
                self._send(self._start_s + second, bad=bad)
            if bad:
                at = (self._start_s + second) * 1_000_000_000
                self.expected |= {(line, rfc3339(at), rfc3339(at + 1_000_000_000)) for line in ("l1", "l2")}
            time.sleep(self._pause)
        self._sensors.flush()

    def _send(self, second: int, *, bad: bool) -> None:
        for tenth in range(10):
            for line in ("l1", "l2"):
                for machine in ("m1", "m2"):
                    rms = 9.0 if bad and machine == "m2" else 2.0
                    self._sensors.send(second + tenth / 10, rms, line=line, machine=machine)
