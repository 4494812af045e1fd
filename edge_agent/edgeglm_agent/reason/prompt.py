"""The question in words: what never changes first, then the graph's rules, its entities, and last the window.

The engine's prefix cache keeps everything up to the first difference.
"""

from typing import Final

from edgeglm_agent.graph.encode import Detail, encode_entities, encode_window
from edgeglm_agent.moment import NANOS_PER_SECOND, rfc3339
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.tasks import TASKS
from edgeglm_agent.untrusted import defused, spelled
from edgeglm_api.sensor_graph import Question, RelationType

MAX_QUOTED_CHARS: Final = 2000
"""Of an answer that could not be used, and of each reason why."""

_LEGEND: Final = (
    "Entities with their relations come first, then what they said in one window, moments in seconds from its start."
    " Who said nothing is left out there."
)

Messages = list[dict[str, str]]


def question(request: Request, detail: Detail) -> Messages:
    """Return the messages of the first attempt."""
    return [
        {"role": "system", "content": TASKS[request.question.task].system},
        {"role": "user", "content": "\n\n".join(_parts(request, detail))},
    ]


def repair(messages: Messages, said: str, problems: tuple[str, ...]) -> Messages:
    """Return the messages of the second attempt: what was wrong with the first."""
    reasons = "\n".join(f"- {defused(problem[:MAX_QUOTED_CHARS])}" for problem in problems)
    return [
        *messages,
        {"role": "assistant", "content": defused(said[:MAX_QUOTED_CHARS])},
        {"role": "user", "content": f"That cannot be used:\n{reasons}\nAnswer again, with JSON only."},
    ]


def _parts(request: Request, detail: Detail) -> list[str]:
    seconds = (request.end_ns - request.start_ns) // NANOS_PER_SECOND
    window = f"Window of {seconds} s from {rfc3339(request.start_ns)}:"
    return [
        *_rules(request.question),
        f"Partition {spelled(request.partition)}. {_LEGEND}\n{encode_entities(request.subject, detail)}",
        "\n".join([window, encode_window(request.subject, request.start_ns, detail), *_facts(request, detail)]),
    ]


def _facts(request: Request, detail: Detail) -> list[str]:
    """What code says of the shape of the graph, where all of it is told: of a part it might not be true."""
    if request.subject.truncated or detail is not Detail.FULL:
        return []
    return list(TASKS[request.question.task].facts(request.subject, request.question))


def _rules(question: Question) -> list[str]:
    rules = [question.instructions] if question.instructions else []
    if question.labels:
        rules.append(f"Labels: {', '.join(question.labels)}.")
    if question.relation_types:
        rules.append(f"Relations that may be added: {'; '.join(map(_relation, question.relation_types))}.")
    return rules


def _relation(allowed: RelationType) -> str:
    return f"{allowed.type} from {allowed.source or 'any'} to {allowed.target or 'any'}"
