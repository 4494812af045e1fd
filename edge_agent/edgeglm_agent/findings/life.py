"""The life of a finding: a pure function from what was known, and one look at a window, to what is known now.

A finding opens when a checked answer names it. What ends it depends on what it is:

- An anomaly lasts as long as its evidence, which code sees; a model that does not mention it ends nothing.
- Anything else is what the model makes of the evidence. It counts as missing in a window whose answer does not name it,
  and in one that nobody was asked about and that has none of its evidence.

A window in which nobody can tell counts neither way. After `clearAfterWindows` windows without it a finding is over.
A window that late readings bring out of turn ends nothing: it opens what nobody knew of, and tells how bad that was.
What is told is what changed: see `is_news`.
"""

from collections.abc import Iterable

import msgspec

from edgeglm_agent.findings.word import Word, holds, worse
from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.moment import NANOS_PER_SECOND, rfc3339
from edgeglm_api.answer import Finding, FindingState, Severity
from edgeglm_api.sensor_graph import Findings as Rules

Series = tuple[str, str]
"""Node and property."""


class Named(msgspec.Struct, frozen=True):
    """A finding of an answer, and the series that it rests on."""

    finding: Finding
    series: tuple[Series, ...] = ()


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A window, or a run of them, once all is known that will be."""

    start_ns: int
    end_ns: int
    windows: int = 1
    evidence: frozenset[Series] = frozenset()
    named: tuple[Named, ...] = ()
    conclusive: bool = False
    """Whether a model has told all that it sees."""
    partial: bool = False
    """Whether the graph was trimmed: evidence that is not in it may be there all the same."""
    belated: bool = False
    """Whether later windows were looked at before."""


class Told(msgspec.Struct, frozen=True):
    """What was told last."""

    state: FindingState
    severity: Severity
    end_ns: int


class Life(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finding of one partition, since it opened."""

    finding: Finding
    """As it was named last."""
    series: tuple[Series, ...]
    opened_ns: int
    """The start of the window in which it was seen first."""
    seen_ns: int
    """The end of the one in which it was seen last."""
    missed: int = 0
    """Windows without it since then."""
    over: bool = False
    told: Told | None = None
    word: Word | None = None


def series_of(evidence: Iterable[Evidence]) -> frozenset[Series]:
    """Return what evidence is about."""
    return frozenset((item.node, item.property) for item in evidence)


def rests_on(finding: Finding, evidence: Iterable[Evidence]) -> tuple[Series, ...]:
    """Return the series that a finding rests on: of an anomaly only those of the node itself, as its key has them."""
    cited = [item for item in evidence if item.id in finding.evidence_ids]
    mine = [item for item in cited if finding.kind != "Anomaly" or item.node == finding.node_ids[0]]
    return tuple(sorted(series_of(mine)))


def look_at(lives: Iterable[Life], look: Look, rules: Rules) -> list[Life]:
    """Return all findings of a partition after a look; those that were there first, new ones behind them."""
    known = {life.finding.key: life for life in lives}
    named = {each.finding.key: each for each in look.named}
    if look.belated:
        moved = [_looked_back(life, named.get(key), look) for key, life in known.items()]
    else:
        moved = [_moved(life, named.get(key), look, rules) for key, life in known.items()]
    return [*moved, *(_opened(each, look, None) for key, each in named.items() if key not in known)]


def told_by(lives: Iterable[Life], look: Look, rules: Rules) -> list[Life]:
    """Return what an answer has to say after a look: what it names, and what is over and was told of before."""
    known = {life.finding.key: life for life in lives}
    named = [known[each.finding.key] for each in look.named]
    return [*named, *(life for life in known.values() if life.over and is_news(life, look.end_ns, rules))]


def state_of(life: Life, now_ns: int) -> FindingState:
    """Return where in its life a finding is."""
    if life.over:
        return "Cleared"
    if life.word is not None and holds(life.word, life.finding.severity, now_ns):
        return life.word.kind
    return "Ongoing" if life.told else "Open"


def is_news(life: Life, now_ns: int, rules: Rules) -> bool:
    """Tell whether a finding is worth an answer: it is in another state or worse than was told, or a reminder is due.

    A finding that is shelved opens in silence, and what opened in silence ends in it.
    """
    state, told = state_of(life, now_ns), life.told
    if told is None:
        return state not in {"Shelved", "Cleared"}
    if state != _later(told.state) or worse(life.finding.severity, told.severity):
        return True
    return state == "Ongoing" and now_ns - told.end_ns >= rules.remind_every_seconds * NANOS_PER_SECOND


def as_told(life: Life, finding_id: str, now_ns: int) -> Finding:
    """Return a finding as an answer has it."""
    state = state_of(life, now_ns)
    told = msgspec.structs.replace(life.finding, id=finding_id, state=state)
    if state != "Cleared":
        return told
    statement = f"not seen since {rfc3339(life.seen_ns)}; last: {life.finding.statement}"
    return msgspec.structs.replace(told, statement=statement, evidence_ids=(), edge_ids=())


def after_telling(life: Life, now_ns: int) -> Life:
    """Return a finding that an answer has told of."""
    return msgspec.structs.replace(life, told=Told(state_of(life, now_ns), life.finding.severity, now_ns))


def is_history(life: Life, now_ns: int) -> bool:
    """Tell whether a finding need not be kept: it is over, that was told or is not to be, and nobody shelved it."""
    silent = life.told is None or life.told.state == "Cleared"
    return life.over and silent and not _is_shelved(life, life.finding.severity, now_ns)


def _moved(life: Life, named: Named | None, look: Look, rules: Rules) -> Life:
    if named is not None:
        return _opened(named, look, life) if life.over and not _ends_untold(life) else _seen(life, named, look)
    goes_on = None if life.over else _goes_on(life, look)
    if goes_on is None:
        return life
    if goes_on:
        return msgspec.structs.replace(life, seen_ns=look.end_ns, missed=0)
    missed = life.missed + look.windows
    return msgspec.structs.replace(life, missed=missed, over=missed >= rules.clear_after_windows)


def _looked_back(life: Life, named: Named | None, look: Look) -> Life:
    if named is None or life.over:
        return life
    return msgspec.structs.replace(_seen(life, named, look), seen_ns=max(life.seen_ns, look.end_ns), missed=life.missed)


def _opened(named: Named, look: Look, before: Life | None) -> Life:
    """Return a new life; of a former one only a shelf is left: who shelves a nuisance means its next visit as well."""
    shelved = before is not None and _is_shelved(before, named.finding.severity, look.end_ns)
    word = before.word if before is not None and shelved else None
    return Life(named.finding, named.series, look.start_ns, look.end_ns, word=word)


def _seen(life: Life, named: Named, look: Look) -> Life:
    word = life.word if holds(life.word, named.finding.severity, look.end_ns) else None
    return msgspec.structs.replace(
        life, finding=named.finding, series=named.series, seen_ns=look.end_ns, missed=0, over=False, word=word
    )


def _ends_untold(life: Life) -> bool:
    """Tell whether a finding was told of, and not that it is over, as people were at work: to others it goes on."""
    return life.told is not None and life.told.state != "Cleared"


def _goes_on(life: Life, look: Look) -> bool | None:
    """Tell whether a finding that was not named goes on; None when nobody can tell."""
    evident = not look.evidence.isdisjoint(life.series)
    if evident and life.finding.kind == "Anomaly":
        return True
    if look.conclusive and not look.partial and life.finding.kind != "Anomaly":
        return False
    return None if evident or look.partial or not life.series else False


def _is_shelved(life: Life, severity: Severity, now_ns: int) -> bool:
    return life.word is not None and life.word.kind == "Shelved" and holds(life.word, severity, now_ns)


def _later(state: FindingState) -> FindingState:
    """Return what a state is in the next window, when nothing happens."""
    return "Ongoing" if state == "Open" else state
