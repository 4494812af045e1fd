"""JSON Graph Format 2 as a schema: what json-graph-schema_v2.json of jsongraphformat.info demands, in our own words.

Every object is closed; nodes are a map by id, edges a list whose members need both ends; all else is optional.
"""

from typing import Any, Final

import jsonschema


def _closed(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_TEXT: Final = {"type": "string"}
_TRUTH: Final = {"type": "boolean"}
_OBJECT: Final = {"type": "object"}
_NODE: Final = _closed(label=_TEXT, metadata=_OBJECT)
_EDGE: Final = _closed(
    ("source", "target"),
    id=_TEXT,
    source=_TEXT,
    target=_TEXT,
    relation=_TEXT,
    directed=_TRUTH,
    label=_TEXT,
    metadata=_OBJECT,
)
_GRAPH: Final = _closed(
    id=_TEXT,
    label=_TEXT,
    directed=_TRUTH,
    type=_TEXT,
    metadata=_OBJECT,
    nodes={"type": "object", "additionalProperties": _NODE},
    edges={"type": "array", "items": _EDGE},
)
JGF: Final = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "oneOf": [_closed(("graph",), graph=_GRAPH), _closed(graphs={"type": "array", "items": _GRAPH})],
}


def valid_graph(document: Any) -> dict[str, Any]:
    """The graph of a document that keeps to the format, and whose relations lead to its nodes."""
    jsonschema.Draft7Validator(JGF).validate(document)
    told: dict[str, Any] = document["graph"]
    assert all({edge["source"], edge["target"]} <= told["nodes"].keys() for edge in told["edges"])
    return told
