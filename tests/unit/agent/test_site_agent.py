"""What a site's agent tells of itself."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeglm_agent.clock import SteadyClock
from edgeglm_agent.site_agent import SiteAgent
from edgeglm_agent.spool.desk import Desk
from tests.edge.bundles import a_bundle


def test_the_status_takes_one_turn_at_the_ledgers_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the fold catches up, each turn comes after a step of it; three of them were too slow for every reader."""
    turns: list[Callable[..., Any]] = []
    run = Desk.run

    async def counted(desk: Desk, work: Callable[..., Any], *arguments: Any) -> Any:
        turns.append(work)
        return await run(desk, work, *arguments)

    async def look() -> None:
        site = SiteAgent(tmp_path, a_bundle(), SteadyClock(), receive="Each")
        try:
            with monkeypatch.context() as patch:
                patch.setattr(Desk, "run", counted)
                picture = await site.picture()
        finally:
            await site._client.close()
            await site._spool.close()
        assert (picture.books.balanced, picture.findings, picture.spool.backlog) == (True, [], 0)

    asyncio.run(look())
    assert len(turns) == 1
