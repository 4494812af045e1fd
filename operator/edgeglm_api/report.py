"""The report: what a site says of itself, on its way from the agent to the receiver.

Small JSON over HTTPS. The newest report stands for all before it, so a lost one costs nothing. A site is trusted half:
whoever has its token can lie about it, so every number and string has a bound, there are no floats (which may be NaN),
and the cloud draws its own conclusions.
"""

from typing import Annotated, Final, Literal

import msgspec

from edgeglm_api.model import InvalidObject, Model

API_VERSION: Final = "agent.edgeglm.io/v1"
MAX_BYTES: Final = 32 * 1024
"""Most have less than 1 KiB; one in which every text is as long as it may be, and all of it escaped, still fits."""
MAX_SENTENCE: Final = 512
MAX_NOTE: Final = 160
MAX_REFUSED_GRAPHS: Final = 12
MAX_ENGINES: Final = 8

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""As far as every reader of JSON can count."""
Word = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.+-]{0,62})?\Z")]
"""Empty: there is nothing to say."""
Sentence = Annotated[str, msgspec.Meta(max_length=MAX_SENTENCE)]
Note = Annotated[str, msgspec.Meta(max_length=MAX_NOTE)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\Z")]
Moment = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z", max_length=20)]
"""RFC 3339, UTC, whole seconds."""
Verdict = Literal["Applied", "Rejected", "None"]


class AppliedBundle(Model, frozen=True, kw_only=True):
    """The configuration that the site runs, and what it thinks of the last one that it saw."""

    generation: Count = 0
    """0 while it runs none."""
    sha256: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?\Z")] = ""
    verdict: Verdict = "None"
    """Rejected: the last one that it saw; it goes on with the one before."""
    reason: Word = ""
    message: Sentence = ""


class RefusedGraph(Model, frozen=True, kw_only=True):
    """A graph of the bundle that does not run at the site."""

    graph: Name
    reason: Word = ""
    message: Note = ""


class SpoolUse(Model, frozen=True, kw_only=True):
    """The agent's store."""

    used_bytes: Count = 0
    cap_bytes: Count = 0
    used_percent: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    backlog: Count = 0
    """Messages that are stored and not looked at yet."""
    waiting: Count = 0
    """Questions without an answer."""
    undelivered: Count = 0
    """Answers that no broker has taken yet."""
    blocked: Sentence = ""
    """Why nothing is acknowledged; empty when all is well."""


class BookTotals(Model, frozen=True, kw_only=True):
    """What became of all messages of all sources, since the store was begun."""

    received: Count = 0
    windowed: Count = 0
    duplicate: Count = 0
    late: Count = 0
    dead: Count = 0
    dropped: Count = 0
    pending: Count = 0
    lost: Count = 0
    balanced: bool = True


class AnswerTotals(Model, frozen=True, kw_only=True):
    """Answers by status, since the store was begun."""

    ok: Count = 0
    normal: Count = 0
    abstained: Count = 0
    invalid: Count = 0
    expired: Count = 0


class BrokerCounts(Model, frozen=True, kw_only=True):
    """How many brokers the site's graphs name, and how many of them are reached."""

    desired: Count = 0
    connected: Count = 0
    reason: Word = ""
    """Why one is not reached."""


class Verification(Model, frozen=True, kw_only=True):
    """What became of requests that were sent to an engine all at once, after it began."""

    concurrency: Count
    answered: Count = 0
    empty: Count = 0
    """Status 200, but no text."""
    failed: Count = 0
    """Another status, or something that is no completion."""
    late: Count = 0
    """No answer in time."""
    median_milliseconds: Count = 0
    """Of those with text."""
    slowest_milliseconds: Count = 0
    said: Note = ""
    """What the first of those said that went wrong."""


class EndpointCounts(Model, frozen=True, kw_only=True):
    """How many endpoints the site's graphs may ask, and how many of them it has what they are asked with for."""

    desired: Count = 0
    usable: Count = 0
    """Whether somebody answers there is another question."""
    reason: Word = ""
    """Why one is not."""


class Engine(Model, frozen=True, kw_only=True):
    """An engine on the site's node, by what it answers."""

    name: Name
    """Of the endpoint in the bundle."""
    model: Note = ""
    """The name under which it is asked."""
    serving: bool = False
    model_present: bool = False
    """Whether it serves that name."""
    requests_running: Count = 0
    requests_waiting: Count = 0
    kv_cache_usage_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    prompt_tokens: Count = 0
    """Since the engine began, as what follows."""
    generation_tokens: Count = 0
    preemptions: Count = 0
    verification: Verification | None = None
    """None: nobody asked for one, or it is not done."""


class Outage(Model, frozen=True, kw_only=True):
    """The last time that reports were not taken, by the site's clock."""

    since: Moment
    until: Moment
    """The present one ends with the report that tells of it."""
    missed: Count = 0
    """How many were not taken."""


class Standing(Model, frozen=True, kw_only=True):
    """The parts that a site speaks for. Before its first bundle there is no store to speak of."""

    boot_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")] = msgspec.field(name="bootID")
    """Of the process; it begins to count anew with each."""
    sequence: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
    agent_version: Word = ""
    bundle: AppliedBundle = AppliedBundle()
    refused_graphs: Annotated[tuple[RefusedGraph, ...], msgspec.Meta(max_length=MAX_REFUSED_GRAPHS)] = ()
    outage: Outage | None = None
    """None: there never was one."""
    spool: SpoolUse | None = None
    books: BookTotals | None = None
    answers: AnswerTotals | None = None
    brokers: BrokerCounts | None = None
    endpoints: EndpointCounts | None = None
    engines: Annotated[tuple[Engine, ...], msgspec.Meta(max_length=MAX_ENGINES)] = ()
    """Those on the site's own node."""


class Report(Standing, frozen=True, kw_only=True):
    """One report. Whose it is says the address that it is sent to, for which the token must be made."""

    api_version: str
    sent_at_millis: Count
    """By the site's clock, since the epoch."""


def encode(report: Report) -> bytes:
    """The JSON of a report."""
    return msgspec.json.encode(report)


def decode(raw: bytes) -> Report:
    """Read a report. Fields that this reader does not know are passed over: sites may be newer than the cloud.

    Raises InvalidObject.
    """
    try:
        report = msgspec.json.decode(raw, type=Report)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at ")
        raise InvalidObject(message, path.strip("`").removeprefix("$.")) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidObject(f"is not JSON: {error}") from error
    if report.api_version != API_VERSION:
        raise InvalidObject(f"is not {API_VERSION!r}", "apiVersion")
    if len({engine.name for engine in report.engines}) != len(report.engines):
        raise InvalidObject("an engine is named twice", "engines")
    return report
