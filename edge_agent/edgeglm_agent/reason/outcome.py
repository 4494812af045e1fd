"""Answers, made from a request and what came of it. Pure: equal input gives equal bytes."""

from collections.abc import Iterable
from typing import Final

from edgeglm_agent.moment import rfc3339
from edgeglm_agent.reason.check import Checked
from edgeglm_agent.reason.request import Request
from edgeglm_agent.spool.answers import NewAnswer
from edgeglm_api.answer import Answer, AnswerStatus, ModelUse, TimeSpan, Validation, encode
from edgeglm_api.bundle import API_VERSION

Span = tuple[int, int]
_TOPIC_UNSAFE: Final = str.maketrans({"/": "-", "+": "-", "#": "-", "\0": "-"})


def answer_to(  # noqa: PLR0913 - the fields of an answer
    request: Request,
    status: AnswerStatus,
    spans: Iterable[Span],
    *,
    checked: Checked | None = None,
    model: ModelUse | None = None,
    validation: Validation | None = None,
    truncated: bool = False,
    reason: str = "",
) -> Answer:
    """Return the answer to a request, for all windows that it speaks for."""
    checked = checked or Checked()
    return Answer(
        api_version=API_VERSION,
        request_id=request.id,
        supersedes=request.supersedes,
        revision=request.revision,
        graph=request.graph,
        partition=request.partition,
        site=request.site,
        windows=tuple(TimeSpan(start=rfc3339(start), end=rfc3339(end)) for start, end in joined(spans)),
        status=status,
        reason=reason,
        findings=checked.findings,
        inferred_edges=checked.inferred_edges,
        labels=checked.labels,
        truncated=truncated or request.subject.truncated,
        model=model,
        validation=validation,
    )


def to_store(request: Request, answer: Answer, *, news: bool) -> NewAnswer:
    """Return the form in which an answer is kept, and sent when it is news."""
    return NewAnswer(
        request_id=request.id,
        broker=request.broker,
        topic=output_topic(request.output.topic, graph=request.graph, partition=request.partition),
        qos=request.output.qos,
        retain=request.output.retain,
        body=encode(answer),
        news=news,
        end_ns=request.end_ns,
    )


def output_topic(template: str, *, graph: str, partition: str) -> str:
    """Fill in where an answer goes; what would be a topic level, a wildcard or the broker's own becomes `-`."""
    topic = template.replace("{graph}", graph.translate(_TOPIC_UNSAFE)).replace(
        "{partition}", partition.translate(_TOPIC_UNSAFE)
    )
    return f"-{topic[1:]}" if topic.startswith("$") else topic


def joined(spans: Iterable[Span]) -> list[Span]:
    """Join windows that follow each other without a gap: an hour of them is told as one span."""
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out
