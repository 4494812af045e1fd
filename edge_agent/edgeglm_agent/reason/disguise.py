"""A request in disguise: pseudonyms in place of names, and without what people or devices have written freely.

What stays are numbers, times and the words of the rules: types, properties, units, relations, sources, and the words
that they list. Everything is put together anew, so that a field which nobody has decided about is left out.

A pseudonym is a keyed digest of graph and name: the same in each window and after a restart, another in each graph and
at each site, and resolved only by who has the request, which never leaves.
"""

import hmac
import re
from base64 import b32encode
from collections.abc import Collection
from typing import Any, Final

import msgspec

from edgeglm_agent.graph.evidence import Among, Evidence
from edgeglm_agent.graph.model import Edge, EntityGraph, Node, Occurred, Stated
from edgeglm_agent.graph.state import Said as SaidWord
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.said import C, Said, Unreadable
from edgeglm_api.sensor_graph import Question

_CHARS: Final = 10
"""50 bits: two of the thousands of names of a graph are the same once in many millions of graphs."""
_PSEUDONYM: Final = re.compile(rf"\bn-[a-z2-7]{{{_CHARS}}}\b")


class View(msgspec.Struct, frozen=True):
    """A request as one endpoint may see it."""

    request: Request
    names: dict[str, str] = {}
    """Pseudonyms, and what they stand for."""

    def resolved(self, said: Said[C], kind: type[Said[C]]) -> Said[C]:
        """Return what was said of what was seen, in the names of the site; raises Unreadable when one is too long."""
        try:
            return msgspec.convert(self._resolved(msgspec.to_builtins(said)), kind)
        except msgspec.ValidationError as error:
            raise Unreadable(str(error)) from error

    def _resolved(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, str):
            return _PSEUDONYM.sub(lambda found: self.names.get(found[0], found[0]), value)
        if isinstance(value, dict):
            return {name: self._resolved(each) for name, each in value.items()}
        return [self._resolved(each) for each in value] if isinstance(value, list | tuple) else value


def disguised(request: Request, key: bytes) -> View:
    """Return the request as it may be seen by who must not know whom it is about."""
    mask = _Mask(key, request.graph_uid)
    words = frozenset(request.disclosure.words if request.disclosure else ())
    seen = Request(
        id="",
        site="",
        graph="",
        graph_uid="",
        partition=mask(request.partition),
        start_ns=request.start_ns,
        end_ns=request.end_ns,
        expires_ns=request.expires_ns,
        signature="",
        subject=_graph(request.subject, mask, words),
        question=_question(request.question, mask, words),
        reasoning=request.reasoning,
        output=msgspec.structs.replace(request.output, topic=""),
        broker="",
    )
    return View(seen, mask.names)


def words_of(graph: EntityGraph) -> frozenset[str]:
    """Return all words of states and events that a graph tells."""
    states = (state for node in graph.nodes for state in node.states)
    events = (event for node in graph.nodes for event in node.events)
    return frozenset(
        {
            *(word for state in states for word in (state.word, state.before, *(each.word for each in state.changes))),
            *(each.word for event in events for each in event.last),
            *(word for item in graph.evidence for word in (item.before, item.after)),
        }
    )


class _Mask:
    """Gives pseudonyms, and remembers what they stand for."""

    def __init__(self, key: bytes, graph_uid: str) -> None:
        self._key = key
        self._graph_uid = graph_uid
        self.names: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        digest = hmac.digest(self._key, f"{self._graph_uid}\0{name}".encode(), "sha256")
        pseudonym = f"n-{b32encode(digest)[:_CHARS].decode().lower()}"
        self.names[pseudonym] = name
        return pseudonym

    def word(self, word: str, known: Collection[str]) -> str:
        """Return a word that the rules list, or what stands for it."""
        return word if not word or word in known else self(word)


def _question(question: Question, mask: _Mask, words: Collection[str]) -> Question:
    return Question(
        task=question.task,
        labels=tuple(mask.word(label, words) for label in question.labels),
        relation_types=question.relation_types,
    )


def _graph(graph: EntityGraph, mask: _Mask, words: Collection[str]) -> EntityGraph:
    return EntityGraph(
        nodes=tuple(_node(node, mask, words) for node in graph.nodes),
        edges=tuple(_edge(edge, mask) for edge in graph.edges),
        evidence=tuple(_evidence(item, mask, words) for item in graph.evidence),
        truncated=graph.truncated,
    )


def _node(node: Node, mask: _Mask, words: Collection[str]) -> Node:
    return Node(
        id=mask(node.id),
        type=node.type,
        measured=node.measured,
        states=tuple(_state(state, mask, words) for state in node.states),
        events=tuple(Occurred(event.property, event.n, _said(event.last, mask, words)) for event in node.events),
    )


def _state(state: Stated, mask: _Mask, words: Collection[str]) -> Stated:
    return Stated(
        property=state.property,
        word=mask.word(state.word, words),
        since_ns=state.since_ns,
        before=mask.word(state.before, words),
        changes=_said(state.changes, mask, words),
    )


def _said(said: tuple[SaidWord, ...], mask: _Mask, words: Collection[str]) -> tuple[SaidWord, ...]:
    return tuple(SaidWord(each.at_ns, mask.word(each.word, words)) for each in said)


def _edge(edge: Edge, mask: _Mask) -> Edge:
    return Edge(
        id=edge.id,
        source=mask(edge.source),
        target=mask(edge.target),
        type=edge.type,
        since_ns=edge.since_ns,
        until_ns=edge.until_ns,
    )


def _evidence(item: Evidence, mask: _Mask, words: Collection[str]) -> Evidence:
    return Evidence(
        id=item.id,
        kind=item.kind,
        node=mask(item.node),
        property=item.property,
        unit=item.unit,
        value=item.value,
        bound=item.bound,
        limit=item.limit,
        ahead_seconds=item.ahead_seconds,
        margin=item.margin,
        onset_ns=item.onset_ns,
        z=item.z,
        before=mask.word(item.before, words),
        after=mask.word(item.after, words),
        changes=item.changes,
        among=_among(item.among, mask),
    )


def _among(among: Among | None, mask: _Mask) -> Among | None:
    return None if among is None else Among(tuple(map(mask, among.names)), among.heard, among.related)
