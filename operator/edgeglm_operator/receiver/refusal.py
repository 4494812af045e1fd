"""Why a report is not taken: each with a word for the metric and a status for the agent."""

from enum import Enum
from http import HTTPStatus


class Because(Enum):
    """The reasons."""

    BAD_TOKEN = ("BadToken", HTTPStatus.UNAUTHORIZED)
    """None, or not for this site."""
    OLD_EPOCH = ("OldEpoch", HTTPStatus.UNAUTHORIZED)
    """Genuine, and of an epoch that is over."""
    TOO_OFTEN = ("TooOften", HTTPStatus.TOO_MANY_REQUESTS)
    TOO_LARGE = ("TooLarge", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    TOO_SLOW = ("TooSlow", HTTPStatus.REQUEST_TIMEOUT)
    MALFORMED = ("Malformed", HTTPStatus.BAD_REQUEST)
    """No report: not JSON, or something in it is out of bounds."""
    REPLAYED = ("Replayed", HTTPStatus.CONFLICT)
    """Not newer than what was taken."""
    NO_SUCH_SITE = ("NoSuchSite", HTTPStatus.NOT_FOUND)
    """Deleted, or made anew with another UID."""
    NOT_ALLOWED = ("NotAllowed", HTTPStatus.FORBIDDEN)
    """The receiver has no right in that namespace."""
    BUSY = ("Busy", HTTPStatus.SERVICE_UNAVAILABLE)
    """The API server does not answer, or too many reports come at once; the agent tries again."""

    def __init__(self, word: str, status: HTTPStatus) -> None:
        self.word = word
        self.status = status


class Refusal(Exception):  # noqa: N818 - what is done, not a fault of ours
    """A report is not taken."""

    def __init__(self, because: Because, message: str, *, retry_after_seconds: int = 0) -> None:
        super().__init__(message)
        self.because = because
        self.retry_after_seconds = retry_after_seconds
