"""Node-RED, from npm: MQTT-in into a function with windows in memory. It acknowledges at once and keeps nothing."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from tests.cluster.cache import cache_root
from tests.cluster.ports import free_ports
from tests.cluster.progress import step

VERSION: Final = "4.1.8"
BOUND_SECONDS: Final = 600
START_SECONDS: Final = 120
_WINDOWS: Final = """
const MESSAGES = %d, WINDOW = %d;
let seen = context.get('seen') || {n: 0, began: 0, windows: {}};
if (seen.n++ === 0) seen.began = Date.now();
try {
  const said = JSON.parse(msg.payload), levels = msg.topic.split('/');
  const key = levels[1] + '|' + Math.floor(said.ts / WINDOW);
  const window = seen.windows[key] = seen.windows[key] || {};
  for (const name of ['rms', 'temp', 'amp']) {
    const value = said[name];
    if (typeof value !== 'number' || value < 0 || value > 50) continue;
    const series = levels[2] + '/' + name;
    const s = window[series] = window[series] || {n: 0, min: Infinity, max: -Infinity, sum: 0, last: 0};
    s.n++; s.sum += value; s.last = value;
    if (value < s.min) s.min = value;
    if (value > s.max) s.max = value;
  }
} catch (error) { seen.bad = (seen.bad || 0) + 1; }
context.set('seen', seen);
if (seen.n === MESSAGES) return {payload: String((Date.now() - seen.began) / 1000)};
return null;
"""


def install() -> Path | None:
    """Return the program; None where there is no npm, or nothing to be had with it."""
    folder = cache_root() / f"node-red-{VERSION}"
    program = folder / "node_modules" / ".bin" / "node-red"
    npm = shutil.which("npm")
    if program.exists() or npm is None:
        return program if program.exists() else None
    folder.mkdir(parents=True, exist_ok=True)
    with step(f"npm install node-red@{VERSION}"):
        argv = [npm, "install", "--silent", "--no-audit", "--no-fund", f"node-red@{VERSION}"]
        done = subprocess.run(argv, cwd=folder, check=False, capture_output=True, timeout=600)
    return program if done.returncode == 0 else None


class NodeRed:
    """One flow, in a folder of its own; its session at the broker outlives it."""

    def __init__(self, program: Path, folder: Path, broker_port: int, topic: str) -> None:
        self._program = program
        self._folder = folder
        self._broker_port = broker_port
        self._topic = topic
        self._port = free_ports(1)[0]
        folder.mkdir(parents=True)

    def subscribe(self) -> None:
        """Make the session, and leave."""
        process = self._start(messages=0, window_seconds=1)
        time.sleep(3)
        # An orderly end would unsubscribe.
        process.kill()
        process.wait(30)

    def drain(self, messages: int, window_seconds: int) -> float:
        """Take what waits, and return the seconds from the first to the last message."""
        told = self._folder / "seconds"
        process = self._start(messages, window_seconds)
        try:
            until = time.monotonic() + BOUND_SECONDS
            while not (told.exists() and told.read_text()):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"Node-RED did not end its work: see {self._folder}/log")
                time.sleep(0.5)
            return float(told.read_text())
        finally:
            _end(process)

    def _start(self, messages: int, window_seconds: int) -> "subprocess.Popen[bytes]":
        flow = self._folder / "flows.json"
        flow.write_text(json.dumps(self._flow(messages, window_seconds)))
        (self._folder / "settings.js").write_text("module.exports = {flowFile: 'flows.json', httpAdminRoot: false}\n")
        argv = [str(self._program), "--userDir", str(self._folder), "--port", str(self._port)]
        path = self._folder / "log"
        with path.open("wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS
        while "Connected to broker" not in path.read_text():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Node-RED does not start: see {path}")
            time.sleep(0.1)
        return process

    def _flow(self, messages: int, window_seconds: int) -> list[dict[str, Any]]:
        broker = {
            "id": "broker",
            "type": "mqtt-broker",
            "broker": "127.0.0.1",
            "port": str(self._broker_port),
            "clientid": "node-red",
            "autoConnect": True,
            "protocolVersion": "5",
            "cleansession": False,
            "sessionExpiry": "86400",
            "keepalive": "60",
        }
        source = {
            "id": "in",
            "type": "mqtt in",
            "z": "tab",
            "topic": self._topic,
            "qos": "1",
            "datatype": "utf8",
            "broker": "broker",
            "wires": [["windows"]],
        }
        windows = {
            "id": "windows",
            "type": "function",
            "z": "tab",
            "func": _WINDOWS % (messages, window_seconds),
            "outputs": 1,
            "wires": [["told"]],
        }
        told = {
            "id": "told",
            "type": "file",
            "z": "tab",
            "filename": str(self._folder / "seconds"),
            "filenameType": "str",
            "appendNewline": False,
            "overwriteFile": "true",
            "wires": [[]],
        }
        return [{"id": "tab", "type": "tab", "label": "bench"}, broker, source, windows, told]


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(30)
