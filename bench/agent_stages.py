r"""What a message costs the agent, stage by stage, alone in one process: no broker, no threads, no engine.

    make bench-stages
    .venv/bin/python -m bench.agent_stages --messages 100000 --packs 10000 --window-seconds 10

The load of `bench.agent_ingest` is sifted out of a stream of packets, made into entries, committed to a raw log in
groups, and folded with everything that belongs to it: windows, judging, checkpoints in the ledger. The pipeline's clock
goes on with the processor time, so that no stage does more because the machine is busy; figures are microseconds of
processor time. Then commits: the 99th percentile of an append with its sync, beside that of a bare write and fdatasync
of as many bytes in the same folder, by turns. The last line is one line of JSON with every figure.
"""

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.agent_ingest import json_bundle, senml_bundle
from bench.ingest.load import Load, Sent, differences, expected, found
from bench.ingest.publisher import packet
from bench.ingest.senml import RECORDS, lately
from bench.machine import machine
from edgeglm_agent.mqtt.sieve import BATCH_MESSAGES, READ_BYTES
from edgeglm_agent.mqtt.sift import Sifted, sift
from edgeglm_agent.pipeline.judge import Site
from edgeglm_agent.pipeline.pipeline import Pipeline
from edgeglm_agent.spool.entry import Connected, Message
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.raw_log import RawLog
from edgeglm_api.bundle import Bundle

ENTITIES: Final = 2000
BROKER: Final = "mqtt://127.0.0.1:1883"
COMMITS: Final = 400

Figures = dict[str, Any]


def main() -> int:
    """Run, and print one line of JSON."""
    options = _parser().parse_args()
    now, seconds = int(time.time()), options.window_seconds
    load = Load(options.messages, ENTITIES, start=(now - options.messages // ENTITIES - 60) // seconds * seconds + 4)
    with tempfile.TemporaryDirectory() as folder:
        spool = Path(folder)
        figures, bodies = _costs(spool / "json", load, options.messages, json_bundle(BROKER, seconds))
        figures["windowsThatDiffer"] = len(differences(expected(load, seconds), found(bodies)))
        packs, _ = _costs(spool / "senml", lately(options.packs), options.packs, senml_bundle(BROKER, seconds))
        figures["senmlReading"] = round(packs["fold"] / RECORDS, 2)
        figures |= _commits(spool / "commits", load)
    figures = {**machine(), "messages": options.messages, **figures}
    for name, figure in figures.items():
        sys.stderr.write(f"{name:20} {figure}\n")
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0 if figures["windowsThatDiffer"] == 0 else 1


def _costs(folder: Path, load: Iterable[Sent], messages: int, bundle: Bundle) -> tuple[Figures, list[bytes]]:
    """Return microseconds of a message in each stage, and the questions that were asked."""
    stream = b"".join(packet(at % 65_535 + 1, sent) for at, sent in enumerate(load))
    log, figures = RawLog(folder / "raw"), Figures()
    log.append([Connected(time.time_ns(), BROKER, 1, resumed=False)])

    def timed(stage: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the work returns
        gc.collect()
        gc.freeze()  # what is there for the next stages is nothing that an agent would hold
        began = time.process_time()
        done = work()
        figures[stage] = round((time.process_time() - began) / messages * 1e6, 2)
        return done

    sifted = timed("sift", lambda: _sifted(stream))
    groups = timed("entries", lambda: [_entries(batch) for batch in sifted])
    timed("append", lambda: [log.append(group) for group in groups])
    ledger = Ledger(folder / "ledger.db")
    began_ns = time.time_ns() - time.process_time_ns()
    pipeline = Pipeline(ledger, log, Site("site", "bench", 1), lambda: began_ns + time.process_time_ns())
    pipeline.apply(bundle)
    timed("fold", lambda: _fold(pipeline))
    pipeline.apply(msgspec.structs.replace(bundle, graphs=()))  # closes what is open
    bodies = [bytes(body) for (body,) in ledger.db.execute("SELECT body FROM request WHERE length(body) > 0")]
    ledger.close()
    log.close()
    return figures, bodies


def _sifted(stream: bytes) -> list[list[Sifted]]:
    """Read it as the sieve does."""
    batches: list[list[Sifted]] = []
    data, at = b"", 0
    for begin in range(0, len(stream), READ_BYTES):
        data, at = data[at:] + stream[begin : begin + READ_BYTES], 0
        while True:
            batch, at = sift(data, at, properties=False, most=BATCH_MESSAGES)
            if not batch:
                break
            batches.append(batch)
    return batches


def _entries(batch: Sequence[Sifted]) -> list[Message]:
    now_ns = time.time_ns()
    return [
        Message(now_ns, BROKER, 1, said.packet_id, said.dup, said.topic, said.payload, len(said.payload))
        for said in batch
    ]


def _fold(pipeline: Pipeline) -> None:
    while pipeline.step().folded:
        pass
    pipeline.checkpoint()


def _commits(folder: Path, load: Iterable[Sent]) -> Figures:
    """Return the 99th percentiles of a commit and of a bare write of as much, in milliseconds."""
    sent = islice(load, BATCH_MESSAGES)
    group = _entries([Sifted(each.topic, each.payload, 1, dup=False, retained=False) for each in sent])
    log = RawLog(folder)
    log.append(group)
    size = log.size_bytes
    bare = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT, 0o600)
    ours, theirs = list[float](), list[float]()
    for _ in range(COMMITS):
        ours.append(_milliseconds(lambda: log.append(group)))
        theirs.append(_milliseconds(lambda: _write(bare, size)))
    os.close(bare)
    log.close()
    return {"commitP99Millis": _p99(ours), "bareWriteAndSyncP99Millis": _p99(theirs), "commitBytes": size}


def _write(file: int, size: int) -> None:
    os.write(file, bytes(size))
    os.fdatasync(file)


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _p99(said: Sequence[float]) -> float:
    return round(sorted(said)[int(len(said) * 0.99)], 2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="What a message costs the agent, stage by stage.")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--packs", type=int, default=10_000)
    parser.add_argument("--window-seconds", type=int, default=60)
    return parser


if __name__ == "__main__":
    sys.exit(main())
