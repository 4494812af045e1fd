"""What follows from a report: whether something is wrong at the site, and whether anything that matters is new.

The site gives the facts, these are the conclusions. The receiver draws them to know what is news, and the operator to
say so in conditions.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from edgeglm_api.report import Engine, Standing

SKEW_SECONDS: Final = 30
"""Beyond that, event times of sensors and of the site do not belong together (a SensorGraph's maxSkewSeconds is 60)."""


class Trouble(NamedTuple):
    """One thing that is wrong, and what helps."""

    reason: str
    message: str


def troubles(said: Standing, clock_skew_seconds: int) -> Iterator[Trouble]:
    """What is wrong at the site, the worst first."""
    if said.books is not None and not said.books.balanced:
        yield Trouble("BooksUnbalanced", "messages are unaccounted for: a fault of the agent; see its /status and log")
    if said.spool is not None and said.spool.blocked:
        yield Trouble("SpoolBlocked", f"it acknowledges nothing: {said.spool.blocked}")
    # Without a reason it has not been tried to the end.
    if said.brokers is not None and said.brokers.connected < said.brokers.desired and said.brokers.reason:
        reached = f"{said.brokers.connected} of {said.brokers.desired} brokers are reached"
        yield Trouble("BrokerUnreachable", f"{reached} ({said.brokers.reason}); see the brokers in the agent's /status")
    if said.endpoints is not None and said.endpoints.usable < said.endpoints.desired:
        usable = f"{said.endpoints.usable} of {said.endpoints.desired} endpoints can be asked"
        why = f"{usable} ({said.endpoints.reason}): a key or an authority is not there as a file; see the endpoints in"
        yield Trouble("EndpointUnusable", f"{why} the agent's /status")
    yield from _of_engines(said.engines)
    if abs(clock_skew_seconds) > SKEW_SECONDS:
        way = "ahead" if clock_skew_seconds > 0 else "behind"
        yield Trouble("ClockSkew", f"its clock is {way} by more than {SKEW_SECONDS} s; have the node keep time (NTP)")


def _of_engines(engines: Sequence[Engine]) -> Iterator[Trouble]:
    away = [engine.name for engine in engines if not engine.serving]
    lacking = [f"{engine.name} ({engine.model})" for engine in engines if engine.serving and not engine.model_present]
    if away:
        yield Trouble("EngineUnreachable", f"engines that do not answer on the node: {', '.join(away)}")
    if lacking:
        yield Trouble("ModelMissing", f"engines that do not serve the model they are asked for: {', '.join(lacking)}")


def standing(said: Standing, clock_skew_seconds: int) -> tuple[object, ...]:
    """All that conditions follow from: another standing is news, other numbers are not."""
    bundle = said.bundle
    return (
        said.boot_id,
        (bundle.generation, bundle.sha256, bundle.verdict, bundle.reason),
        tuple((each.graph, each.reason) for each in said.refused_graphs),
        tuple(trouble.reason for trouble in troubles(said, clock_skew_seconds)),
        said.outage.since if said.outage else "",
        said.spool is not None,
        tuple((engine.name, engine.serving, engine.model_present, _verified(engine)) for engine in said.engines),
    )


def _verified(engine: Engine) -> tuple[int, int] | None:
    """How many requests there were, and how many of them were answered."""
    found = engine.verification
    return None if found is None else (found.concurrency, found.answered)
