"""A long backlog, and an agent that is killed while it drains it: each reading stands in its window once."""

import time
from pathlib import Path

import pytest

from bench.agent_ingest import BenchBroker, json_bundle, windows_that_differ
from bench.ingest.load import Load, expected
from bench.ingest.publisher import publish
from tests.edge.agent_process import AgentProcess, wait_for

pytestmark = pytest.mark.broker

MESSAGES, MACHINES, WINDOW_SECONDS = 120_000, 2000, 10


def test_what_a_broker_sends_again_is_counted_once(tmp_path: Path) -> None:
    """Mosquitto 2.0 sends a whole backlog without a pause, and forgets what whoever dies has acknowledged unread."""
    broker, agent = BenchBroker(tmp_path / "broker"), AgentProcess(tmp_path)
    start = int(time.time()) // WINDOW_SECONDS * WINDOW_SECONDS - MESSAGES // MACHINES - 60
    load = Load(MESSAGES, MACHINES, start=start + 4)
    agent.options = ("--receive", "Batches")
    agent.configure(json_bundle(broker.url, WINDOW_SECONDS))
    broker.start()
    try:
        agent.start()
        agent.stop()
        publish(broker.host, broker.port, load)
        # Whether a kill finds acknowledgements unread depends on the machine; of five, one is all but sure to.
        for share in (0.15, 0.3, 0.45, 0.6, 0.75):
            agent.start()
            wait_for(lambda share=share: agent.received() > share * MESSAGES, "nothing comes", seconds=120)  # type: ignore[misc]
            agent.kill()
        agent.start()
        wait_for(lambda: agent.received() >= MESSAGES, "not everything comes", seconds=120)
        wait_for(agent.windowed, "windows stay open", seconds=120)
        agent.assert_books_balance()
        again = sum(book["duplicate"] for book in agent.told()["books"]["sources"])
        assert again > 0, "nothing came again: it was killed too late for this to test anything"
        assert windows_that_differ(agent, expected(load, WINDOW_SECONDS)) == 0
    finally:
        agent.end()
        broker.stop()
