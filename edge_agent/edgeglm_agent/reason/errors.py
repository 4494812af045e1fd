"""What can go wrong when asking an engine.

EngineError
├── Unreachable     refused or reset; another endpoint may do
│   ├── NotReached  no connection came about, so nothing was sent
│   │   └── NoSecret  what it is asked with cannot be read at the site; `.reason` says how it stands with the file
│   └── TimedOut    no answer in time
├── Busy            503 or 429, or draining; the same endpoint will do later, after `.retry_after` seconds if it said so
├── Failed          5xx or an answer that is no completion; the engine is ill
└── Declined        4xx: this request will not do there; `.because` says what of it, when it is known
"""

from enum import StrEnum


class EngineError(Exception):
    """An attempt failed."""


class Unreachable(EngineError):  # noqa: N818 - names what is the case
    """Nobody answered."""


class NotReached(Unreachable):
    """Nobody was there to hear it."""


class SecretReason(StrEnum):
    """How it stands with a file of a Secret; stable words, for the status and the report."""

    MISSING = "SecretMissing"
    INVALID = "SecretInvalid"


class NoSecret(NotReached):
    """Its key, or whom to trust there, cannot be read."""

    def __init__(self, endpoint: str, reason: SecretReason, message: str) -> None:
        super().__init__(f"{endpoint}: {message}")
        self.reason = reason


class TimedOut(Unreachable):
    """Nobody answered in time."""


class Busy(EngineError):  # noqa: N818 - names what is the case
    """Not now."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Failed(EngineError):  # noqa: N818 - names what is the case
    """The engine is ill."""


class Because(StrEnum):
    """What of a request an engine will not have."""

    TOO_LONG = "TooLong"
    """The prompt, with the room for the answer, is longer than the model's context."""
    FORM = "Form"
    """A word of the schema, or a field, that this engine does not know."""
    OTHER = "Other"


class Declined(EngineError):  # noqa: N818 - names what is the case
    """Not this."""

    def __init__(self, message: str, because: Because = Because.OTHER) -> None:
        super().__init__(message)
        self.because = because
