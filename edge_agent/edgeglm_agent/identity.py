"""Who a request is: the same packets in the same order give the same ids, on this run and on every replay."""

import hashlib
from typing import Final

import msgspec

from edgeglm_api.bundle import Graph, canonical

PROMPT_VERSION: Final = "4"
"""Part of every rule digest: another way to ask is another question."""


class RequestKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that tells one request from another. What was added later has a default, and is left out: ids stay."""

    site_uid: str
    graph_uid: str
    rule_digest: str
    partition: str
    start_ns: int
    end_ns: int
    revision: int
    """How often the site's ledger was lost: what is then folded again from half the data is not the same request."""
    remade: int = 0
    """How often the window was made anew, as readings came that belong into it."""


def request_id(key: RequestKey) -> str:
    """Return the sha256 over the canonical form of the key, in hex."""
    return hashlib.sha256(canonical(key)).hexdigest()


def finding_id(graph_uid: str, partition: str, key: str) -> str:
    """Return what a finding is called, short enough to be typed."""
    return hashlib.sha256(canonical([graph_uid, partition, key])).hexdigest()[:16]


def rule_digest(graph: Graph) -> str:
    """Return the digest of what decides the content of a question: not who is asked, nor how it is told and where."""
    rules = [
        PROMPT_VERSION,
        graph.sources,
        graph.topology,
        graph.window,
        graph.graph,
        graph.question,
        *([graph.derived] if graph.derived else []),
    ]
    return hashlib.sha256(canonical(rules)).hexdigest()
