"""Graphs in JSON Graph Format: by its rules, whatever sensors call themselves, and with all that the window says."""

import jsonschema
import msgspec
import pytest

from edgeglm_agent.graph.model import Edge, EntityGraph, Measured, Node, Occurred, Stated
from edgeglm_agent.graph.state import Said
from edgeglm_agent.publish.json_graph import json_graph, lines_of
from tests.injection.corpus import CORPUS

from .jgf import JGF, valid_graph
from .observations import SECOND, evidence
from .test_asker import a_request


def test_all_that_a_window_says_stands_in_its_graph() -> None:
    press = Node(
        id="press-1",
        type="Machine",
        label="Press 1",
        measured=(Measured("rms", "mm/s", 10, 9.0, 8.0, 12.0, 9.5, 0.1, z=4.2),),
        states=(
            Stated("mode", "STOP", 105 * SECOND, "RUN", (Said(105 * SECOND, "STOP"),)),
            Stated("lid", "SHUT", SECOND),
        ),
        events=(Occurred("alarm", 3, (Said(104 * SECOND, "E17"),)),),
    )
    edges = (Edge("r1", "press-1", "line-1", "partOf"), Edge("r2", "press-1", "line-1", "feeds", since_ns=101 * SECOND))
    subject = EntityGraph((press, Node("line-1", "Line")), edges, (evidence(1, "press-1"),), truncated=True)
    request = msgspec.structs.replace(a_request(), subject=subject)
    graph = valid_graph(json_graph(request))
    assert graph["nodes"] == {
        "press-1": {
            "label": "Press 1",
            "metadata": {
                "type": "Machine",
                "measured": [
                    {
                        "property": "rms",
                        "unit": "mm/s",
                        "n": 10,
                        "mean": 9.0,
                        "min": 8.0,
                        "max": 12.0,
                        "last": 9.5,
                        "slope": 0.1,
                        "z": 4.2,
                    }
                ],
                "states": [
                    {
                        "property": "mode",
                        "word": "STOP",
                        "since": "1970-01-01T00:01:45Z",
                        "before": "RUN",
                        "changes": [{"word": "STOP", "at": "1970-01-01T00:01:45Z"}],
                    },
                    {"property": "lid", "word": "SHUT", "since": "1970-01-01T00:00:01Z"},
                ],
                "events": [{"property": "alarm", "n": 3, "last": [{"word": "E17", "at": "1970-01-01T00:01:44Z"}]}],
            },
        },
        "line-1": {"label": "line-1", "metadata": {"type": "Line"}},
    }
    assert graph["edges"] == [
        {"id": "r1", "source": "press-1", "target": "line-1", "relation": "partOf"},
        {
            "id": "r2",
            "source": "press-1",
            "target": "line-1",
            "relation": "feeds",
            "metadata": {"since": "1970-01-01T00:01:41Z"},
        },
    ]
    about = graph["metadata"]
    assert (graph["id"], about["truncated"], about["evidence"][0]["node"]) == (request.id, True, "press-1")
    assert about["evidence"][0]["statement"].startswith("press-1 rms ")


def test_whatever_sensors_call_themselves_the_document_keeps_its_form() -> None:
    names = [each.text for each in CORPUS if each.is_utf8]
    nodes = tuple(Node(name, "Machine") for name in dict.fromkeys(names))
    edges = tuple(Edge(f"r{at}", name, names[0], "near") for at, name in enumerate(names))
    request = msgspec.structs.replace(a_request(), subject=EntityGraph(nodes, edges, ()))
    (line,) = lines_of([request]).splitlines()
    assert set(valid_graph(msgspec.json.decode(line))["nodes"]) == set(names)


@pytest.mark.parametrize(
    "wrong",
    [
        {"nodes": {}},
        {"graph": {"nodes": []}},
        {"graph": {"nodes": {"a": {"type": "Machine"}}}},
        {"graph": {"edges": [{"source": "a"}]}},
        {"graph": {}, "graphs": []},
    ],
)
def test_the_rules_that_it_is_held_against_refuse_what_the_format_does(wrong: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(JGF).validate(wrong)
