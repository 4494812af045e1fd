"""The parts of an edge site under test: a real broker, a real agent process, and an engine."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from edgeglm_agent.mqtt.receiver import DEFAULT_RECEIVE
from edgeglm_api.bundle import Broker as BrokerRules
from edgeglm_api.bundle import Bundle, Endpoint, Graph
from tests.cluster.broker import Broker
from tests.edge.agent_process import AgentProcess
from tests.edge.bundles import a_bundle, a_graph
from tests.edge.sensors import Listener, Sensors
from tests.edge.stub_engine import StubEngine


class EdgeSite:
    """A broker, an engine and an agent that know of each other."""

    def __init__(self, broker: Broker, engine: StubEngine, agent: AgentProcess) -> None:
        self.broker = broker
        self.engine = engine
        self.agent = agent
        self._ends: list[Sensors | Listener] = []

    def bundle(self, *graphs: Graph, **changes: object) -> Bundle:
        """A bundle whose graphs use this site's broker and engine."""
        here = BrokerRules(url=self.broker.url)
        bound = [msgspec.structs.replace(graph, broker=here) for graph in graphs or (a_graph(),)]
        engine = Endpoint(name="engine", url=self.engine.url, model="tiny", place="Edge")
        return a_bundle(*bound, **({"endpoints": (engine,)} | changes))

    def sensors(self, client_id: str = "sensors") -> Sensors:
        self._ends.append(sensors := Sensors(self.broker.port, client_id))
        return sensors

    def listener(self) -> Listener:
        self._ends.append(listener := Listener(self.broker.port))
        return listener

    def end(self) -> None:
        for each in self._ends:
            each.close()
        self.agent.end()
        self.engine.stop()


each_way = pytest.mark.parametrize("receive", ["Each", "Batches"])
"""On what any way of taking messages from a broker has to keep: paho's is the reference."""


@pytest.fixture
def receive() -> str:
    """How the agent takes messages, where the test does not say."""
    return DEFAULT_RECEIVE


@pytest.fixture
def site(tmp_path: Path, broker: Callable[[str], Broker], receive: str) -> Iterator[EdgeSite]:
    """A site whose broker and stub engine run; the agent is configured and started by the test."""
    mosquitto = broker("broker")
    mosquitto.directory.mkdir(parents=True, exist_ok=True)
    mosquitto.start()
    engine = StubEngine()
    engine.start()
    agent = AgentProcess(tmp_path)
    agent.options = ("--receive", receive)
    site = EdgeSite(mosquitto, engine, agent)
    yield site
    site.end()
