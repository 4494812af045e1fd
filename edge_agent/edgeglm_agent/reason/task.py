"""What makes a kind of question: how it is put, what may be said to it, and what of that stands. All of it pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic

import msgspec

from edgeglm_agent.graph.model import EntityGraph
from edgeglm_agent.reason.said import C, Said
from edgeglm_agent.reason.schema import Schema
from edgeglm_api.answer import Finding, InferredEdge
from edgeglm_api.sensor_graph import Question


class Kept(msgspec.Struct, frozen=True):
    """A claim that stands, in the words of the code."""

    finding: Finding
    edge: InferredEdge | None = None
    label: str = ""


def no_facts(_graph: EntityGraph, _question: Question) -> Iterator[str]:
    """Of tasks that the shape of the graph says nothing to."""
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Generic[C]):
    """One kind of question."""

    system: str
    said: type[Said[C]]
    found: str = "found"
    """The word for an assessment that has findings."""
    claim_schema: Callable[[EntityGraph, Question], Schema | None]
    """None when there is nothing in this graph that could be claimed."""
    problem: Callable[[C, EntityGraph, Question], str]
    """Why a claim with known ids does not stand; empty when it does."""
    kept: Callable[[C, EntityGraph, Question], Kept]
    overlooked: Callable[[EntityGraph], str]
    """Why `normal` cannot be right; empty when it may be."""
    facts: Callable[[EntityGraph, Question], Iterator[str]] = no_facts
    """What the shape of a whole graph says to this question, a line each. Nothing, where it says nothing."""


def nothing_overlooked(_graph: EntityGraph) -> str:
    """Of tasks that may always come to nothing."""
    return ""
