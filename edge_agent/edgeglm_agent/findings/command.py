"""Commands over MQTT: what people say of findings, signed with a key that the site and they share. Pure.

A broker lets many write to a topic, and whoever may shelve a finding may hide an alarm. So a command is heeded only
when its MAC is right, it is for this site and graph, it was made just now, and it was not heeded before.
"""

import hmac
from typing import Annotated, Final

import msgspec

from edgeglm_agent.findings.say import Beginning, Ending, Saying
from edgeglm_agent.moment import NANOS_PER_SECOND

CONTEXT: Final = b"edgeglm-command-v1\n"
"""Stands before what is signed: a MAC made for something else, with the same key, is none of ours."""
MAX_BYTES: Final = 4096
MIN_KEY_BYTES: Final = 16
FRESH_SECONDS: Final = 300
"""Between the clock of who signs and the site's; also how long a nonce has to be remembered."""


class BadCommand(ValueError):  # noqa: N818 - names what it is about
    """A command that is not heeded; `reason` is what it is counted as."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Signed(msgspec.Struct, frozen=True):
    """What is sent."""

    command: str
    """JSON, as it was signed."""
    mac: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """HMAC-SHA256, in hex."""


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was signed. Exactly one of `say`, `begin` and `end` is there."""

    site: str
    """`namespace/name` of the EdgeSite."""
    graph: str
    """The SensorGraph's name."""
    at: float
    """When it was signed, in seconds since the epoch."""
    nonce: Annotated[str, msgspec.Meta(min_length=8, max_length=64)]
    say: Saying | None = None
    begin: Beginning | None = None
    end: Ending | None = None


class Addressee(msgspec.Struct, frozen=True):
    """For whom a command has to be."""

    site: str
    graph: str


def verified(payload: bytes, key: bytes, addressee: Addressee, now_ns: int) -> Command:
    """Return the command of a payload; raises BadCommand. Whether it was heeded before is not looked at."""
    if len(key) < MIN_KEY_BYTES:
        raise BadCommand("no_key")
    if len(payload) > MAX_BYTES:
        raise BadCommand("malformed")
    try:
        signed = msgspec.json.decode(payload, type=Signed)
        text = signed.command.encode()
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadCommand("malformed") from error
    # Nothing that was signed is looked at before it is known who signed it.
    if not hmac.compare_digest(hmac.digest(key, CONTEXT + text, "sha256").hex(), signed.mac):
        raise BadCommand("forged")
    return _for_us(text, addressee, now_ns)


def _for_us(text: bytes, addressee: Addressee, now_ns: int) -> Command:
    try:
        command = msgspec.json.decode(text, type=Command)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadCommand("malformed") from error
    if sum(each is not None for each in (command.say, command.begin, command.end)) != 1:
        raise BadCommand("malformed")
    if Addressee(command.site, command.graph) != addressee:
        raise BadCommand("elsewhere")
    if not abs(command.at - now_ns / NANOS_PER_SECOND) <= FRESH_SECONDS:
        raise BadCommand("stale")
    return command
