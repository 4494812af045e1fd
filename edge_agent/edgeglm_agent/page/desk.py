"""What the page asks of one running site: read on the ledger's thread in one go, put together outside of it."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from edgeglm_agent.clock import Clock
from edgeglm_agent.page.partition_view import PartitionView, partition_id, summary_of, view_of
from edgeglm_agent.page.site_view import Looked
from edgeglm_agent.pipeline.pipeline import Pipeline
from edgeglm_agent.pipeline.recent import Key, Seen
from edgeglm_agent.publish.json_graph import json_graph
from edgeglm_agent.spool.findings import all_findings
from edgeglm_agent.spool.spool import Spool
from edgeglm_api.bundle import Graph


class PageDesk:
    """Answers for one site."""

    def __init__(self, spool: Spool, pipeline: Pipeline, clock: Clock, graphs: Callable[[], Iterable[Graph]]) -> None:
        self._spool = spool
        self._pipeline = pipeline
        self._clock = clock
        self.graphs = graphs
        """Of the bundle."""

    async def look(self) -> Looked:
        """Return what there is."""
        return await self._spool.desk.run(self._look)

    async def partition(self, wanted: str) -> PartitionView | None:
        """Return a partition by its id; None when no window has closed in it."""
        found = await self._spool.desk.run(self._find, wanted)
        # A large graph takes a while to draw, and nobody else should wait for that.
        return await asyncio.to_thread(view_of, *found) if found else None

    async def graph(self, wanted: str) -> dict[str, Any] | None:
        """Return the graph of a partition's last window in JSON Graph Format; None when no window has closed in it."""
        found = await self._spool.desk.run(self._find, wanted)
        return await asyncio.to_thread(json_graph, found[1].request) if found else None

    def _look(self) -> Looked:
        fold = self._pipeline.fold
        return Looked(
            at_ns=self._clock(),
            shown={key: summary_of(key, seen) for key, seen in self._pipeline.recent.seen.items()},
            partitions={uid: len(graph.partitions) for uid, graph in fold.graphs.items()},
            findings=all_findings(self._spool.ledger.db),
        )

    def _find(self, wanted: str) -> tuple[Key, Seen] | None:
        for key, seen in self._pipeline.recent.seen.items():
            if partition_id(key) == wanted:
                return key, seen.as_it_is()
        return None
