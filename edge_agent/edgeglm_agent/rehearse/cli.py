"""`edgeglm-agent record` and `edgeglm-agent replay`."""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from edgeglm_agent.clock import system_clock
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.mqtt.address import BadAddress
from edgeglm_agent.mqtt.credentials import CredentialFiles
from edgeglm_agent.publish.json_graph import lines_of
from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.gate import Gate
from edgeglm_agent.reason.router import Router
from edgeglm_agent.reason.sends import FreeSends
from edgeglm_agent.rehearse.graph_file import REHEARSAL, BadGraph, bundle_for, load_graph
from edgeglm_agent.rehearse.oracle import Engine, Nobody, Oracle
from edgeglm_agent.rehearse.recorder import Recorder
from edgeglm_agent.rehearse.recording import NoRecording, Recording
from edgeglm_agent.rehearse.replay import Pace, Replay
from edgeglm_agent.rehearse.told import Told, difference, figures, told
from edgeglm_api.bundle import Bundle, Endpoint
from edgeglm_api.sensor_graph import SensorGraph

EXIT_BAD_INPUT: Final = 2
REPORT_SECONDS: Final = 10.0
_ANY_BROKER: Final = "mqtt://recording.invalid"
_NO_SECRET: Final = b""
"""The endpoint of a rehearsal is the user's own choice, and is told all."""
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folder in it is made by tempfile


def add_rehearsal_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands."""
    records = commands.add_parser("record", help="record what a graph's sources say")
    records.add_argument("--graph", type=Path, required=True, metavar="FILE", help="a SensorGraph, YAML or JSON")
    records.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    records.add_argument("--broker", metavar="URL", help="default: that of the graph")
    records.add_argument("--ca-file", metavar="FILE", help="whom an mqtts:// broker is trusted by")
    records.add_argument("--credentials", metavar="DIR", help="holds username and password, tls.crt and tls.key")
    records.add_argument("--seconds", type=float, metavar="N", help="for how long; default: until interrupted")
    replays = commands.add_parser("replay", help="see what a graph makes of a recording")
    rules = replays.add_mutually_exclusive_group(required=True)
    rules.add_argument("--graph", type=Path, metavar="FILE", help="a SensorGraph, YAML or JSON")
    rules.add_argument("--diff", type=Path, nargs=2, metavar=("OLD", "NEW"), help="two of them, beside each other")
    replays.add_argument(
        "--graphs", type=Path, metavar="FILE", help="write the graphs that were asked about, one JSON Graph a line"
    )
    replays.add_argument("--input", type=Path, required=True, metavar="DIR", help="a recording, or an agent's spool")
    replays.add_argument("--speed", type=_speed, default=None, metavar="max|N", help="how fast; default: max")
    asked = replays.add_mutually_exclusive_group()
    asked.add_argument("--endpoint", metavar="URL", help="an engine to ask, with its version: http://HOST:8000/v1")
    asked.add_argument("--no-model", action="store_true", help="ask nobody; the default")
    replays.add_argument("--model", default="default", help="the model's name at the endpoint")
    replays.add_argument("--key-file", metavar="FILE", help="holds the endpoint's API key")
    replays.add_argument("--concurrency", type=int, default=2, metavar="N", help="questions at once; default: 2")
    replays.add_argument(
        "--assume-seconds",
        type=float,
        default=2.0,
        metavar="N",
        help="an answer takes, when nobody is asked; default: 2",
    )


def record(options: argparse.Namespace) -> int:
    """Record until told to stop; the exit status is the return value."""
    try:
        graph = load_graph(options.graph)
        asyncio.run(_record(graph, options))
    except (BadGraph, BadAddress, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BAD_INPUT
    return 0


def replay(options: argparse.Namespace) -> int:
    """Replay once, or twice for a difference; the exit status is the return value."""
    try:
        recording = Recording(options.input)
        if options.graph is not None:
            _print(_replayed(options.graph, recording, options), estimated=options.endpoint is None)
            return 0
        if options.graphs is not None:
            sys.stderr.write("--graphs goes with --graph: two sets of rules ask about two sets of graphs\n")
            return EXIT_BAD_INPUT
        old, new = (_replayed(path, recording, options) for path in options.diff)
    except (BadGraph, NoRecording, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BAD_INPUT
    for name, outcome in zip(options.diff, (old, new), strict=True):
        sys.stdout.write(f"{name}\n")
        _print(outcome, estimated=options.endpoint is None)
    for line in difference(old, new):
        sys.stdout.write(f"{line}\n")
    return 0


async def _record(graph: SensorGraph, options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    files = CredentialFiles(options.ca_file, options.credentials)
    recorder = Recorder(graph, options.broker or graph.spec.broker.url, files, options.out, system_clock)
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(_tell(recorder), name="tell")
        if options.seconds is not None:
            loop.call_later(options.seconds, stop.set)
        await recorder.run(stop)
        telling.cancel()
    sys.stderr.write(f"{options.out}: {recorder.state}\n")


async def _tell(recorder: Recorder) -> None:
    await recorder.wait_listening()
    sys.stderr.write("recording\n")
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        sys.stderr.write(f"{recorder.state}\n")


def _replayed(path: Path, recording: Recording, options: argparse.Namespace) -> Told:
    endpoint = Endpoint(
        name=REHEARSAL,
        url=options.endpoint or "http://127.0.0.1:9/v1",
        model=options.model,
        place="Edge",
        key_file=options.key_file,
    )
    bundle = bundle_for(load_graph(path), broker=recording.broker or _ANY_BROKER, endpoint=endpoint)

    # What a rehearsal writes is of no use after it, and need not reach a disk.
    with tempfile.TemporaryDirectory(prefix="edgeglm-replay-", dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        return asyncio.run(_run(Path(folder), bundle, recording, options))


async def _run(folder: Path, bundle: Bundle, recording: Recording, options: argparse.Namespace) -> Told:
    client = Client()
    run = Replay(folder, bundle, _oracle(options, client, bundle.endpoints), concurrency=options.concurrency)
    try:
        await run.run(recording.seconds(), _pace(options.speed))
        if options.graphs is not None:
            options.graphs.write_bytes(lines_of(run.requests))
        return told(run, recording.hours)
    finally:
        run.close()
        await client.close()


def _oracle(options: argparse.Namespace, client: Client, endpoints: tuple[Endpoint, ...]) -> Oracle:
    if options.endpoint is None:
        return Nobody(options.assume_seconds)
    router = Router(client, Gate(_NO_SECRET), FreeSends())
    router.set_endpoints(endpoints, ceiling=options.concurrency)
    return Engine(router)


def _pace(speed: float | None) -> Pace:
    """Return how long to wait before a moment of the recording, `speed` times as fast as it was."""
    began: list[tuple[int, float]] = []

    def wait_seconds(moment_ns: int) -> float:
        if speed is None:
            return 0.0
        if not began:
            began.append((moment_ns, time.monotonic()))
        first_ns, first = began[0]
        return max(0.0, first + (moment_ns - first_ns) / NANOS_PER_SECOND / speed - time.monotonic())

    return wait_seconds


def _print(outcome: Told, *, estimated: bool) -> None:
    for name, value in figures(outcome, estimated=estimated):
        sys.stdout.write(f"{name:12}{value}\n")


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither `max` nor a number") from error
    if not 0 < speed < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no speed; say `max`, or how many times as fast")
    return speed
