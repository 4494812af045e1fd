"""Made-up knowledge graphs of sites, each with one relation held out that the rest implies.

A hall has lines, a line has machines and one gateway, and each sensor of a machine speaks through the gateway of the
machine's line. One sensor's gateway is not said. Names tell nothing: they are drawn.
"""

import random
from typing import Final

from edgeglm_agent.graph.model import Edge, EntityGraph, Node
from edgeglm_api.sensor_graph import Question, RelationType

LINES: Final = 3
MACHINES: Final = 2
SENSORS: Final = 2
"""Of each line, and of each machine."""
SPEAKS: Final = "speaksThrough"

Link = tuple[str, str, str]
"""Source, type, target."""

COMPLETION: Final = Question(
    task="LinkCompletion",
    relation_types=(RelationType(type=SPEAKS, source="Sensor", target="Gateway"),),
    instructions="A sensor speaks through the gateway of the line that its machine is part of.",
)


def knowledge_graph(seed: int) -> tuple[EntityGraph, Link]:
    """Return a graph with a relation left out, and that relation."""
    dice = random.Random(f"knowledge/{seed}")  # noqa: S311 - no secrets
    nodes, links = _whole(dice)
    missing = dice.choice([link for link in links if link[1] == SPEAKS])
    kept = sorted(set(links) - {missing})
    return EntityGraph(
        nodes=tuple(sorted(nodes, key=lambda node: node.id)),
        edges=tuple(
            Edge(id=f"r{number}", source=source, target=target, type=kind)
            for number, (source, kind, target) in enumerate(kept, start=1)
        ),
        evidence=(),
    ), missing


def _whole(dice: random.Random) -> tuple[list[Node], list[Link]]:
    numbers = iter(dice.sample(range(100, 1000), 1 + LINES * (2 + MACHINES * (1 + SENSORS))))
    hall = f"h{next(numbers)}"
    nodes, links = [Node(id=hall, type="Hall")], list[Link]()
    for _ in range(LINES):
        line, gateway = f"l{next(numbers)}", f"g{next(numbers)}"
        nodes += [Node(id=line, type="Line"), Node(id=gateway, type="Gateway")]
        links += [(line, "partOf", hall), (gateway, "serves", line)]
        for _ in range(MACHINES):
            machine = f"m{next(numbers)}"
            nodes.append(Node(id=machine, type="Machine"))
            links.append((machine, "partOf", line))
            for _ in range(SENSORS):
                sensor = f"s{next(numbers)}"
                nodes.append(Node(id=sensor, type="Sensor"))
                links += [(sensor, "measures", machine), (sensor, SPEAKS, gateway)]
    return nodes, links
