"""From a broker into a raw log, the way the agent does it: committed first, acknowledged after."""

import asyncio
import threading
import uuid
from itertools import chain
from pathlib import Path
from typing import Final

from edgeglm_agent.clock import Clock
from edgeglm_agent.decode.source_topic import topic_of
from edgeglm_agent.mqtt.address import parse_address
from edgeglm_agent.mqtt.connection import Hello
from edgeglm_agent.mqtt.credentials import CredentialFiles
from edgeglm_agent.mqtt.filters import non_overlapping
from edgeglm_agent.mqtt.session import Session
from edgeglm_agent.mqtt.subscriptions import Subscriptions
from edgeglm_agent.spool.disk import Disk
from edgeglm_agent.spool.entry import Tick
from edgeglm_agent.spool.handoff import Handed, Handoff
from edgeglm_agent.spool.raw_log import RawLog
from edgeglm_agent.spool.writer import Writer
from edgeglm_api.sensor_graph import SensorGraph

TICK_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 5.0


class Recorder:
    """Owner of one recording while it is made. Its session is its own: no agent misses a message for it.

    Raises BadAddress, and FileExistsError when the folder is there already.
    """

    def __init__(self, graph: SensorGraph, broker: str, files: CredentialFiles, folder: Path, clock: Clock) -> None:
        hello = _hello(broker, files)
        folder.mkdir(parents=True, exist_ok=False)
        self._clock = clock
        self._log = RawLog(folder / "raw")
        self._handoff = Handoff()
        disk = Disk(folder, raw_bytes=lambda: self._log.size_bytes, ledger_bytes=lambda: 0)
        self._writer = Writer(self._log, self._handoff, disk.refusal)
        self._thread = threading.Thread(target=self._writer.run, name="recorder", daemon=True)
        self._session = Session(hello, Subscriptions(folder), self._handoff, clock)
        filters = chain.from_iterable(topic_of(each).filters for each in graph.spec.sources)
        self._session.listen_to(non_overlapping(filters))

    @property
    def state(self) -> str:
        """What was recorded, for people."""
        trouble = self._writer.blocked or self._session.failure
        return f"{self._writer.committed} entries, {self._log.size_bytes} bytes" + (f"; {trouble}" if trouble else "")

    async def wait_listening(self) -> None:
        """Return once the broker has taken the subscriptions."""
        await self._session.wait_connected()

    async def run(self, stop: asyncio.Event) -> None:
        """Record until told to stop."""
        self._thread.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                working = [tasks.create_task(self._session.run(), name="mqtt"), tasks.create_task(self._tick())]
                await stop.wait()
                for task in working:
                    task.cancel()
        finally:
            self._handoff.close()
            await asyncio.to_thread(self._thread.join, DRAIN_SECONDS)
            self._writer.stop()
            self._log.close()

    async def _tick(self) -> None:
        """Write down that time goes by: a replay closes silent windows at the same moment."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._handoff.put(Handed((Tick(self._clock()),)), wait_seconds=0)


def _hello(broker: str, files: CredentialFiles) -> Hello:
    return Hello(
        address=parse_address(broker),
        broker=broker,
        client_id=f"edgeglm-record-{uuid.uuid4().hex[:12]}",
        session_expiry_seconds=0,
        files=files,
    )
