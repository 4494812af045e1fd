"""What whoever verifies engines asks and hands back: for each replica, what became of requests sent all at once."""

from typing import Any, Final

from edgeglm_api.model import Model

TIMEOUT_SECONDS: Final = 300
"""An engine on a CPU takes a while for the first requests after its start."""
_MAX_TOKENS: Final = 32


def inquiry(number: int) -> dict[str, Any]:
    """The body of one of the requests, but for the model. Each asks something else, as clients do.

    Never a `seed`: with it a CPU build of vLLM may die (measured).
    """
    question = f"Write the number {number + 1} as an English word."
    return {"messages": [{"role": "user", "content": question}], "max_tokens": _MAX_TOKENS, "temperature": 0}


class ReplicaReport(Model, frozen=True, kw_only=True):
    """What became of one replica's requests: how many of them ended in which way."""

    url: str
    answered: int = 0
    empty: int = 0
    """Status 200, but no text."""
    failed: int = 0
    """Another status, or something that is no completion."""
    late: int = 0
    """No answer in time."""
    busy: int = 0
    """Turned away for now."""
    unreachable: int = 0
    """No connection, or one that broke."""
    median_milliseconds: int = 0
    """Of those with text."""
    slowest_milliseconds: int = 0


class Report(Model, frozen=True, kw_only=True):
    """What became of all of them. As JSON it fits into a container's termination message (4096 bytes)."""

    concurrency: int
    """Requests to each replica at the same moment."""
    timeout_seconds: int
    """What was in time."""
    replicas: tuple[ReplicaReport, ...]
    said: str = ""
    """What the first of those said that did not get an answer; bounded."""
