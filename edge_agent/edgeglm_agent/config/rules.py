"""What the types of a bundle cannot say: captures exist, paths can be read, endpoints are there, nothing echoes.

The operator has checked most of it. But a bundle can come from anywhere that a directory can, and what fails here
does not fail in the middle of a stream.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Final

from edgeglm_agent.config.problem import Problem
from edgeglm_agent.config.source_rules import problems_of_source
from edgeglm_agent.graph.late import MAX_KEPT_PANES
from edgeglm_agent.mqtt.address import BadAddress, parse_address
from edgeglm_api.bundle import Bundle, Endpoint, Graph
from edgeglm_api.derivation import problems_of_derived
from edgeglm_api.echo import heard_by, meetings
from edgeglm_api.sensor_graph import Question, Window

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
MAX_SLIDES: Final = 60
LEAST_SPOOL_BYTES: Final = 8 * 1024 * 1024
"""The ledger's own log takes up to half of that."""
_RESERVED_TOPICS: Final = ("$", "SYS/dis/")


def problems_of(bundle: Bundle) -> list[Problem]:
    """Return all that is wrong with a bundle; empty when it can be applied."""
    return [Problem(field, message) for field, message in _bundle(bundle)]


_Found = Iterator[tuple[str, str]]


def _bundle(bundle: Bundle) -> _Found:
    for field, value in (("namespace", bundle.namespace), ("site", bundle.site), ("siteUID", bundle.site_uid)):
        if not _NAME.fullmatch(value):
            yield (
                field,
                f"{value!r} must be letters, digits, dots and dashes: it becomes part of a path and a client id",
            )
    if bundle.limits.spool_max_bytes < LEAST_SPOOL_BYTES:
        yield (
            "limits.spoolMaxBytes",
            f"{bundle.limits.spool_max_bytes} is too little to work with; give at least {LEAST_SPOOL_BYTES}",
        )
    if bundle.limits.spool_max_age_seconds is not None and bundle.limits.spool_max_age_seconds < 1:
        yield "limits.spoolMaxAgeSeconds", "must be at least 1; leave it out when nothing is ever too old"
    if bundle.limits.max_concurrency < 1:
        yield "limits.maxConcurrency", "must be at least 1"
    yield from _unique("graphs", "uid", [graph.uid for graph in bundle.graphs])
    yield from _sessions(bundle.graphs)
    yield from _unique("endpoints", "name", [endpoint.name for endpoint in bundle.endpoints])
    yield from _endpoints(bundle.endpoints)
    known = {endpoint.name for endpoint in bundle.endpoints}
    for at, graph in enumerate(bundle.graphs):
        for field, message in chain(_graph(graph, known), _echoes(at, bundle.graphs)):
            yield f"graphs[{at}].{field}", message


def _endpoints(endpoints: Sequence[Endpoint]) -> _Found:
    for at, endpoint in enumerate(endpoints):
        if not endpoint.url.startswith(("http://", "https://")):
            yield f"endpoints[{at}].url", f"{endpoint.url!r} must begin with http:// or https://"
        if endpoint.ca_file and not endpoint.url.startswith("https://"):
            yield f"endpoints[{at}].caFile", f"is for https:// only, and url is {endpoint.url}"
        for field, value in (
            ("requestsPerMinute", endpoint.requests_per_minute),
            ("tokensPerMinute", endpoint.tokens_per_minute),
        ):
            if value is not None and value < 1:
                yield f"endpoints[{at}].{field}", "must be at least 1; leave it out when there is no such limit"


def _sessions(graphs: Sequence[Graph]) -> _Found:
    """One session at a broker serves all graphs, so they must agree on how it is opened."""
    first: dict[str, Graph] = {}
    for at, graph in enumerate(graphs):
        other = first.setdefault(graph.broker.url, graph)
        if not other.broker.same_credentials(graph.broker):
            yield (
                f"graphs[{at}].broker",
                f"has other files for {graph.broker.url} than graph {other.name}; use the same",
            )


def _graph(graph: Graph, endpoints: Collection[str]) -> _Found:
    if not graph.sources:
        yield "sources", "is empty; name at least one topic to listen to"
    if graph.window.size_seconds < 1:
        yield "window.sizeSeconds", "must be at least 1"
    yield from _window(graph.window)
    yield from problems_of_derived(graph.derived, graph.sources)
    try:
        if not parse_address(graph.broker.url).tls and graph.broker.ca_file:
            yield "broker.caFile", f"is for mqtts:// only, and broker.url is {graph.broker.url}"
    except BadAddress as error:
        yield "broker.url", str(error)
    yield from _unique("sources", "name", [source.name for source in graph.sources])
    for at, source in enumerate(graph.sources):
        for field, message in problems_of_source(source):
            yield f"sources[{at}].{field}", message
    yield from _question(graph.question)
    yield from _reasoning(graph, endpoints)
    yield from _topology(graph)
    yield from _output(graph)
    yield from _commands(graph)


def _window(window: Window) -> _Found:
    slide = window.slide_seconds
    if (window.type == "Sliding") != (slide is not None):
        yield "window.slideSeconds", f"is {slide}, but type is {window.type}; a Sliding window has it, and no other"
    elif slide is not None and (slide < 1 or window.size_seconds % slide or window.size_seconds // slide > MAX_SLIDES):
        yield (
            "window.slideSeconds",
            f"{slide} does not fit sizeSeconds {window.size_seconds}, which must be 1 to {MAX_SLIDES} times as long",
        )
    yield from _session(window)
    within, most = window.late_within_seconds, MAX_KEPT_PANES * (slide or window.size_seconds)
    if (window.late == "Drop") != (within is None):
        yield (
            "window.lateWithinSeconds",
            f"is {within}, but late is {window.late}; Backfill and Revise have it, and no other",
        )
    elif within is not None and not 1 <= within <= most:
        yield "window.lateWithinSeconds", f"{within} must be 1 to {most}: {MAX_KEPT_PANES} slices of windows are kept"


def _session(window: Window) -> _Found:
    gap = window.gap_seconds
    if (window.type == "Session") != (gap is not None):
        yield "window.gapSeconds", f"is {gap}, but type is {window.type}; a Session has it, and no other"
    elif gap is not None and (gap < 1 or window.size_seconds % gap or window.size_seconds // gap > MAX_SLIDES):
        yield (
            "window.gapSeconds",
            f"{gap} does not fit sizeSeconds {window.size_seconds}, which must be 1 to {MAX_SLIDES} times as long",
        )
    if window.type == "Session" and window.late != "Drop":
        yield "window.late", f"is {window.late}; a late reading could make one Session of two, so it is dropped: Drop"


def _question(question: Question) -> _Found:
    if question.task == "LinkCompletion" and not question.relation_types:
        yield "question.relationTypes", "is empty; LinkCompletion needs the relations that may be added"
    if question.task == "Classification" and len(question.labels) < 2:
        yield "question.labels", "has no two labels; Classification needs some to choose from"
    if question.task == "Custom" and not question.instructions:
        yield "question.instructions", "is empty; Custom needs to know what is asked"


def _reasoning(graph: Graph, endpoints: Collection[str]) -> _Found:
    if not graph.reasoning.endpoints:
        yield "reasoning.endpoints", "is empty; nobody could be asked"
    for at, name in enumerate(graph.reasoning.endpoints):
        if name not in endpoints:
            yield f"reasoning.endpoints[{at}]", f"{name!r} is not among the bundle's endpoints"
    yield from _data_policy(graph)
    for field, value in (
        ("attemptTimeoutSeconds", graph.reasoning.attempt_timeout_seconds),
        ("freshForSeconds", graph.reasoning.fresh_for_seconds),
        ("maxTokens", graph.reasoning.max_tokens),
    ):
        if value < 1:
            yield f"reasoning.{field}", "must be at least 1"


def _data_policy(graph: Graph) -> _Found:
    """What contradicts itself. Where nobody said anything of it, the stricter word holds and nothing is refused."""
    reasoning, policy = graph.reasoning, graph.reasoning.data_policy
    if policy is None:
        return
    if policy.cloud == "Never" and reasoning.route in {"CloudOnly", "PreferCloud", "Escalate"}:
        yield (
            "reasoning.dataPolicy",
            f"lets nothing go to the cloud, and route is {reasoning.route}; change one of them",
        )
    if policy.cloud == "Pseudonymised" and graph.question.task == "Custom" and reasoning.route != "EdgeOnly":
        yield "reasoning.dataPolicy", "leaves out the instructions, by which task Custom asks; use Never or Allowed"


def _topology(graph: Graph) -> _Found:
    nodes = [node.id for node in graph.topology.nodes]
    yield from _unique("topology.nodes", "id", nodes)
    for at, edge in enumerate(graph.topology.edges):
        for end, node in (("source", edge.source), ("target", edge.target)):
            if node not in nodes:
                yield f"topology.edges[{at}].{end}", f"{node!r} is not among topology.nodes"


def _output(graph: Graph) -> _Found:
    topic = graph.output.topic.replace("{graph}", graph.name)
    if set(topic) & set("+#\0") or not topic:
        yield "output.topic", f"{graph.output.topic!r} must be a topic without wildcards"
    if topic.startswith(_RESERVED_TOPICS):
        yield "output.topic", f"{graph.output.topic!r} is reserved by the broker or by KubeEdge; choose another"


def _echoes(at: int, graphs: tuple[Graph, ...]) -> _Found:
    speaker = graphs[at]
    for number, listener in enumerate(graphs):
        whose = "" if listener is speaker else f"graphs[{number}]."
        for source in heard_by(listener, speaker):
            by = f"{whose}sources[{listener.sources.index(source)}]"
            yield "output.topic", f"{speaker.output.topic!r} is heard by {by}; answers must not become readings"


def _commands(graph: Graph) -> _Found:
    if graph.commands is None:
        return
    topic = graph.commands.topic
    if set(topic) & set("+#\0") or not topic or topic.startswith(_RESERVED_TOPICS):
        yield "commands.topic", f"{topic!r} must be a topic without wildcards, and none of the broker's own"
    for where, other in meetings(topic, graph.name, graph.output.topic, graph.sources):
        yield "commands.topic", f"{topic!r} can meet {where} {other}; choose a topic that is for commands only"


def _unique(field: str, key: str, values: list[str]) -> _Found:
    for at, value in enumerate(values):
        if value in values[:at]:
            yield f"{field}[{at}].{key}", f"{value!r} is there twice"
