"""The graph of a window in JSON Graph Format 2 (jsongraphformat.info), for programs that draw, store or compare graphs.

What the format has no field for stands in `metadata`, in the words of the answers. Names are as sensors say them.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.graph.model import Edge, Node, Occurred, Stated
from edgeglm_agent.graph.sentence import sentence
from edgeglm_agent.graph.state import Said
from edgeglm_agent.moment import rfc3339
from edgeglm_agent.reason.request import Request

TYPE: Final = "edgeglm.io/window/v1"


def json_graph(request: Request) -> dict[str, Any]:
    """Return the document; the request may be one that nobody was asked."""
    subject = request.subject
    return {
        "graph": {
            "id": request.id,
            "type": TYPE,
            "label": f"{request.graph} {request.partition}",
            "directed": True,
            "metadata": {
                "site": request.site,
                "graph": request.graph,
                "partition": request.partition,
                "start": rfc3339(request.start_ns),
                "end": rfc3339(request.end_ns),
                "revision": request.revision,
                "truncated": subject.truncated,
                "evidence": [_evidence(item) for item in subject.evidence],
            },
            "nodes": {node.id: _node(node) for node in subject.nodes},
            "edges": [_edge(edge) for edge in subject.edges],
        }
    }


def lines_of(requests: Iterable[Request]) -> bytes:
    """Return JSON Lines: the graph of each request, in their order."""
    return b"".join(msgspec.json.encode(json_graph(request)) + b"\n" for request in requests)


def _node(node: Node) -> dict[str, Any]:
    said = {
        "measured": [msgspec.to_builtins(each) for each in node.measured],
        "states": [_state(each) for each in node.states],
        "events": [_event(each) for each in node.events],
        "remarks": [_remark(each) for each in node.remarks],
    }
    return {
        "label": node.label or node.id,
        "metadata": {"type": node.type} | {name: each for name, each in said.items() if each},
    }


def _edge(edge: Edge) -> dict[str, Any]:
    times = {"since": edge.since_ns, "until": edge.until_ns}
    told = {"id": edge.id, "source": edge.source, "target": edge.target, "relation": edge.type}
    metadata = {name: rfc3339(moment_ns) for name, moment_ns in times.items() if moment_ns}
    return told | ({"metadata": metadata} if metadata else {})


def _state(state: Stated) -> dict[str, Any]:
    told: dict[str, Any] = {"property": state.property, "word": state.word, "since": rfc3339(state.since_ns)}
    changed = {"before": state.before, "changes": _said(state.changes)} if state.changes else {}
    return told | changed


def _event(event: Occurred) -> dict[str, Any]:
    return {"property": event.property, "n": event.n, "last": _said(event.last)}


def _remark(remark: Occurred) -> dict[str, Any]:
    written = [{"text": each.word, "at": rfc3339(each.at_ns)} for each in remark.last]
    return {"property": remark.property, "n": remark.n, "last": written}


def _said(said: tuple[Said, ...]) -> list[dict[str, str]]:
    return [{"word": each.word, "at": rfc3339(each.at_ns)} for each in said]


def _evidence(item: Evidence) -> dict[str, str]:
    return {
        "id": item.id,
        "kind": item.kind,
        "node": item.node,
        "property": item.property,
        "statement": sentence(item),
    }
