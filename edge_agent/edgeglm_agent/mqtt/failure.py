"""Why there is no connection, as a word that stays and a sentence that helps."""

import ssl
from enum import StrEnum

from paho.mqtt.reasoncodes import ReasonCode


class Reason(StrEnum):
    """Stable words; they stand in the status and as metric labels."""

    SECRET_MISSING = "SecretMissing"  # noqa: S105 - a word about one
    """A file that is asked for is not there."""
    SECRET_INVALID = "SecretInvalid"  # noqa: S105
    """A file is there, and cannot be used: no certificate, or the key of another one."""
    BROKER_NOT_TRUSTED = "BrokerNotTrusted"
    """Its certificate is expired, for another name, or of an authority that is not trusted."""
    CERTIFICATE_REFUSED = "CertificateRefused"
    """The broker does not take ours, or misses one."""
    HANDSHAKE_FAILED = "HandshakeFailed"
    """It does not speak TLS, or none that both know."""
    NOT_AUTHORIZED = "NotAuthorized"
    """The broker does not know the user, or not this password."""
    REFUSED = "Refused"
    """It let us in no further, for a reason of its own."""
    UNREACHABLE = "Unreachable"
    CLOSED = "Closed"
    """It hung up before it answered."""


class ConnectionFailed(OSError):  # noqa: N818 - names what happened
    """The broker could not be reached, or refused us."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ProtocolTooNew(ConnectionFailed):
    """The broker does not know this version of MQTT."""


_UNSUPPORTED_VERSION = 0x84
_AUTHORITY_WORDS = frozenset({0x86, 0x87, 0x8C})
"""Bad user name or password, not authorized, bad authentication method (MQTT 5, 3.2.2.2)."""


def refusal(broker: str, code: ReasonCode) -> ConnectionFailed:
    """Return what a CONNACK that lets nobody in means."""
    if code.value == _UNSUPPORTED_VERSION:
        return ProtocolTooNew(Reason.REFUSED, f"{broker} does not speak our version of MQTT")
    reason = Reason.NOT_AUTHORIZED if code.value in _AUTHORITY_WORDS else Reason.REFUSED
    return ConnectionFailed(reason, f"{broker} refused the connection: {code}")


def failure_of(broker: str, error: Exception) -> ConnectionFailed:
    """Return what an error on the way to the broker means."""
    if isinstance(error, ConnectionFailed):
        return error
    return ConnectionFailed(_reason(error), f"{broker}: {_words(error)}")


def _reason(error: Exception) -> Reason:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Reason.BROKER_NOT_TRUSTED
    if not isinstance(error, ssl.SSLError):
        return Reason.UNREACHABLE
    return Reason.CERTIFICATE_REFUSED if _is_about_us(error) else Reason.HANDSHAKE_FAILED


def _is_about_us(error: ssl.SSLError) -> bool:
    """Tell whether the broker sent an alert about our certificate (RFC 8446, 6.2): it judges nothing else of ours."""
    words = (error.reason or "").upper()
    return "ALERT" in words and any(word in words for word in ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE"))


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}; see broker.caSecretRef, and its own clock"
    if isinstance(error, ssl.SSLError):
        said = (error.reason or str(error)).replace("_", " ").lower()
        return f"it does not take our certificate: {said}" if _is_about_us(error) else f"no TLS with it: {said}"
    return str(error) or "no answer in time"
