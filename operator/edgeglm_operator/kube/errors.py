"""What can go wrong when talking to the API server.

KubeError
├── NotFound        the object is not there; often the wanted state
├── Conflict        somebody else changed it, or it exists already; reload and try again
├── Invalid         the server refused the content; retrying will not help; `.field` says where
├── Forbidden       RBAC, an admission policy, a kind that is being removed; `.verb` and `.resource`: what was asked
├── Throttled       429; `.retry_after_seconds` says how long to wait
└── Unavailable     network, 5xx, timeout, not logged in; back off and try again
    └── InternalError   500: the server is there and fails at this request; its message says why
"""

from collections.abc import Mapping
from typing import Any


class KubeError(Exception):
    """A request to the API server failed."""


class NotFound(KubeError):  # noqa: N818 - named like the server's own reasons, as are those below
    """The object is not there."""


class Conflict(KubeError):  # noqa: N818
    """Somebody else changed it, or it exists already."""


class Invalid(KubeError):  # noqa: N818
    """The server refused the content; `field` is the path of the first fault, when it told."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class Forbidden(KubeError):  # noqa: N818
    """We may not do that."""

    def __init__(self, message: str, *, verb: str = "", resource: str = "") -> None:
        super().__init__(message)
        self.verb = verb
        self.resource = resource


class Throttled(KubeError):  # noqa: N818
    """The server asks for patience."""

    def __init__(self, message: str, retry_after_seconds: float = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(KubeError):  # noqa: N818
    """Nobody answered, or with a fault of their own."""


class InternalError(Unavailable):
    """The server fails at this request: no address is left for a Service, a webhook does not answer."""


def error_of(status: int, body: Mapping[str, Any], *, verb: str = "", resource: str = "") -> KubeError:
    """The error that an answer of the API server stands for."""
    message = str(body.get("message") or f"HTTP {status}")
    details = body.get("details") or {}
    match status:
        case 404 | 410:
            return NotFound(message)
        case 409:
            return Conflict(message)
        case 403 | 405:  # 405: its CRD is on its way out
            return Forbidden(message, verb=verb, resource=resource)
        case 400 | 413 | 415 | 422:
            causes = details.get("causes") or [{}]
            return Invalid(message, str(causes[0].get("field") or ""))
        case 500:
            return InternalError(message)
        case _:
            return Unavailable(message)
