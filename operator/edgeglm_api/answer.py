"""The answer: what the agent publishes on MQTT for one request, checked in code against the graph asked about."""

from typing import Literal

import msgspec

from edgeglm_api.model import Model
from edgeglm_api.sensor_graph import Task

AnswerStatus = Literal["Ok", "Normal", "Abstained", "Invalid", "Expired"]
"""Ok: checked findings. Normal: code or the model saw nothing wrong. Abstained: the model would not say. Invalid: what
it said failed the checks, repair included. Expired: nobody could be asked in time."""

Severity = Literal["Info", "Warning", "Critical"]
FindingState = Literal["Open", "Ongoing", "Cleared", "Acknowledged", "Shelved"]
"""Open: seen for the first time. Ongoing: seen before. Cleared: over, and told by code. Acknowledged: it goes on, and
somebody said that they know. Shelved: somebody does not want to hear of it for a while."""
Confidence = Literal["Low", "Medium", "High"]
Doubt = Literal["Invalid", "Unsure", "Disagrees"]
"""What was wrong with the answer of the site's engine: it broke a rule of its task, the model would not say, or it
passed over what the detectors had found."""


class TimeSpan(Model, frozen=True, kw_only=True):
    """A span of event time; the end is not in it. RFC 3339, UTC."""

    start: str
    end: str


class Finding(Model, frozen=True, kw_only=True):
    """One claim, and the evidence it rests on."""

    key: str
    """What it is about; the same claim in the next window has the same key."""
    id: str = ""
    """The key within its graph and partition, short: what `edgeglm-agent findings` calls it. Set when it is told."""
    state: FindingState | None = None
    """Where in its life it is, as of the last window covered. Set when it is told."""
    kind: Task
    severity: Severity
    statement: str
    """Rendered by code from the evidence."""
    node_ids: tuple[str, ...]
    edge_ids: tuple[str, ...] = ()
    evidence_ids: tuple[str, ...]
    """Ids within the window's graph; none of a finding that is cleared."""
    confidence: Confidence
    comment: str = ""
    """The model's own words: unverified, bounded."""


class InferredEdge(Model, frozen=True, kw_only=True):
    """A relation that was not in the graph, and that the model holds for missing: allowed by its types, unverified."""

    source: str
    target: str
    type: str
    evidence_ids: tuple[str, ...] = ()
    confidence: Confidence


class ModelUse(Model, frozen=True, kw_only=True):
    """Who answered, and what it cost."""

    model: str
    route: Literal["Edge", "Cloud"]
    endpoint: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: int = 0
    attempts: int = 1
    escalated: Doubt | None = None
    """Why the cloud was asked after the site's engine; tokens, latency and attempts are then those of both."""


class Validation(Model, frozen=True, kw_only=True):
    """What the checks saw."""

    schema_ok: bool
    unknown_ids: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    """Why findings were struck out, one sentence each."""
    repaired: bool = False


class Answer(Model, frozen=True, kw_only=True):
    """The one immutable answer to a request id."""

    api_version: str
    request_id: str
    supersedes: str = ""
    """The id of the request about the same window, before late readings came that belong into it. There may be no
    answer to it, or one that comes after this one: of a window, the highest revision counts.
    """
    revision: int = 0
    """How often the window was made anew."""
    graph: str
    partition: str
    site: str
    windows: tuple[TimeSpan, ...]
    """The windows covered, oldest first."""
    status: AnswerStatus
    """Of the windows. Whatever it is, there may be findings beside it that are `Cleared`."""
    findings: tuple[Finding, ...] = ()
    inferred_edges: tuple[InferredEdge, ...] = ()
    labels: tuple[str, ...] = ()
    """What the window was classified as."""
    late: bool = False
    """Nobody was asked while it was fresh: it tells nothing of now, and may come after answers about later windows."""
    reason: str = ""
    """Of `Expired`: why nobody was asked, where a rule of the graph has to do with it."""
    truncated: bool = False
    """The graph was larger than its caps and was trimmed before the question."""
    model: ModelUse | None = None
    validation: Validation | None = None


def encode(answer: Answer) -> bytes:
    """The bytes that are stored, and published as often as need be."""
    return msgspec.json.encode(answer, order="deterministic")
