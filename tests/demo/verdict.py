"""Whether the demo showed what it promises: a pure function from what was seen to one line a promise."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BAD_MACHINE = "press-3"


@dataclass(frozen=True)
class Heard:
    """One answer as the broker delivered it."""

    at: float
    """Seconds since the epoch."""
    topic: str
    answer: Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """What became of the run."""

    published: int
    """Messages that the broker acknowledged to the simulated sensors."""
    status: Mapping[str, Any]
    """The agent's /status once all was quiet."""
    heard: Sequence[Heard]
    cut: tuple[float, float]
    """When the link was down."""

    @property
    def received(self) -> int:
        """Messages that the agent took over, redeliveries left out."""
        sources = self.status["books"]["sources"]
        return sum(book["received"] - book["duplicate"] for book in sources)

    @property
    def windows(self) -> int:
        """Windows that were closed."""
        return sum(sum(counts.values()) for counts in self.status["books"]["windows"].values())

    @property
    def asked(self) -> int:
        """Windows about which the model was to be asked."""
        return sum(counts.get("ask", 0) for counts in self.status["books"]["windows"].values())

    def findings(self, event: str) -> int:
        """How many findings opened or cleared, or how many answers were held since they told nothing new."""
        return sum(counts.get(event, 0) for counts in self.status["books"]["findings"].values())

    @property
    def lost(self) -> int:
        """What was acknowledged and never seen again, at the broker or in the agent."""
        return abs(self.published - self.received) + int(self.status["books"]["lost"])


@dataclass(frozen=True)
class Promise:
    """One thing that the demo shows, and whether it did."""

    text: str
    kept: bool


def promises(seen: Seen) -> Iterator[Promise]:
    """Hold what was seen against each promise."""
    books = seen.status["books"]
    yield Promise(f"every reading arrived: {seen.published} published, {seen.received} received", seen.lost == 0)
    yield Promise(f"the books balance over {seen.windows} windows", bool(books["balanced"]) and seen.windows > 0)
    yield Promise(f"the model was asked about {seen.asked} of {seen.windows} windows", 0 < seen.asked <= seen.windows)
    yield Promise(f"checked answers that name {BAD_MACHINE}: {len(checked(seen))}", bool(checked(seen)))
    opened, cleared = seen.findings("opened"), seen.findings("cleared")
    yield Promise(
        f"findings that opened: {opened}, and that cleared when it was mended: {cleared}", 0 < opened == cleared
    )
    during = [heard for heard in seen.heard if seen.cut[0] <= heard.at <= seen.cut[1]]
    yield Promise(f"answers while the link was cut: {len(during)}", bool(during))
    yield Promise("no request was answered twice differently", not contradictions(seen))
    yield Promise("every answer reached the broker", seen.status["spool"]["undelivered"] == 0)


def checked(seen: Seen) -> list[Heard]:
    """Answers with a finding about the bearing that goes bad, which code has checked against the graph."""
    return [
        heard
        for heard in seen.heard
        if heard.answer["status"] == "Ok"
        and any(node.endswith(BAD_MACHINE) for found in heard.answer["findings"] for node in found["nodeIds"])
    ]


def contradictions(seen: Seen) -> set[str]:
    """Request ids with more than one distinct answer."""
    answers: dict[str, Mapping[str, Any]] = {}
    return {
        heard.answer["requestId"]
        for heard in seen.heard
        if answers.setdefault(heard.answer["requestId"], heard.answer) != heard.answer
    }
