"""The detectors: code decides what is out of the ordinary, and the model is told so."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from edgeglm_agent.graph.baseline import Baseline, learn, z_score
from edgeglm_agent.graph.evidence import Evidence, EvidenceKind, is_alarming
from edgeglm_agent.graph.hysteresis import Holding, breaches_of
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.silence import Silent
from edgeglm_agent.graph.stat import Breach, Stat
from edgeglm_agent.graph.state import States
from edgeglm_agent.graph.window import Window

Z_THRESHOLD: Final = 4.0
"""Of window means against ten to two hundred others: 3 would be a false alarm every few hundred windows."""

_WORST_FIRST: Final[tuple[EvidenceKind, ...]] = ("Limit", "Rate", "Silence", "StateChange", "ZScore", "Trend")

MAX_ENTITIES: Final = 4096
"""Of a partition; beyond it those that were not heard in the window are forgotten. Strangers can invent entities."""

Baselines = Mapping[str, Mapping[str, Baseline]]
"""Entity to property to what is usual."""


def detect(
    window: Window, baselines: Baselines, units: Mapping[str, str], headings: Iterable[Evidence] = ()
) -> tuple[Evidence, ...]:
    """Return all evidence of a window in canonical order, with ids that hold within it.

    Where series are heading is known from the windows before it.
    """
    found = [
        msgspec.structs.replace(item, node=entity, property=name, unit=units.get(name, ""))
        for entity, name, stat in series_of(window.pane)
        for item in _of_series(stat, baselines.get(entity, {}).get(name), window.held.get(entity, {}).get(name, ()))
    ]
    found += _changes(window.states)
    found += [_silence(silent) for silent in window.silent]
    found += headings
    if window.made_of:
        found = [_with_others(item, window) for item in found]
    found.sort(key=_worst_first)
    return tuple(msgspec.structs.replace(item, id=f"e{number}") for number, item in enumerate(found, start=1))


def learned(
    pane: Pane, baselines: Baselines, evidence: tuple[Evidence, ...], *, since_ns: int
) -> dict[str, dict[str, Baseline]]:
    """Return the baselines after this window; series with evidence keep theirs.

    So do those that were not heard since a moment, the begin of the window's last slice: one reading in many sliding
    windows teaches once.
    """
    frozen = {(item.node, item.property) for item in evidence}
    kept = baselines if len(baselines) <= MAX_ENTITIES else baselines.keys() & pane.stats.keys()
    after = {entity: dict(baselines[entity]) for entity in kept}
    for entity, name, stat in series_of(pane):
        if (entity, name) not in frozen and stat.last_ns >= since_ns:
            properties = after.setdefault(entity, {})
            properties[name] = learn(properties.get(name, Baseline()), stat.mean)
    return after


def series_of(pane: Pane) -> Iterator[tuple[str, str, Stat]]:
    """Go through a pane's series in canonical order."""
    for entity in sorted(pane.stats):
        for name in sorted(pane.stats[entity]):
            yield entity, name, pane.stats[entity][name]


def _of_series(stat: Stat, baseline: Baseline | None, held: tuple[Holding, ...]) -> Iterator[Evidence]:
    for breach in _worst_breaches(breaches_of(stat, held)):
        found = _evidence(
            kind="Limit",
            value=stat.max if breach.limit.startswith("high") else stat.min,
            bound=breach.bound,
            limit=breach.limit,
            onset_ns=breach.onset_ns,
        )
        yield found if breach.count else msgspec.structs.replace(found, margin=stat.hysteresis)
    if stat.rate is not None and abs(stat.slope_per_second) > stat.rate:
        yield _evidence(kind="Rate", value=stat.slope_per_second, bound=stat.rate)
    z = z_score(baseline, stat.mean) if baseline else None
    if baseline and z is not None and abs(z) >= Z_THRESHOLD:
        yield _evidence(kind="ZScore", value=stat.mean, bound=baseline.mean, z=z)


def _changes(states: States) -> Iterator[Evidence]:
    for entity, properties in states.items():
        for name, held in properties.items():
            if held.changes:
                yield Evidence(
                    id="",
                    kind="StateChange",
                    node=entity,
                    property=name,
                    unit="",
                    onset_ns=held.changes[0].at_ns,
                    before=held.before,
                    after=held.word,
                    changes=len(held.changes),
                )


def _silence(silent: Silent) -> Evidence:
    return Evidence(
        id="",
        kind="Silence",
        node=silent.entity,
        property=silent.source,
        unit="s",
        value=float(silent.every_seconds),
        onset_ns=silent.last_ns,
    )


def _with_others(item: Evidence, window: Window) -> Evidence:
    among = window.made_of.get(item.node, {}).get(item.property)
    return msgspec.structs.replace(item, among=among) if among else item


def _worst_breaches(breaches: tuple[Breach, ...]) -> list[Breach]:
    """Keep one breach a side: who is past the alarm limit is past the warning limit too."""
    worst: dict[str, Breach] = {}
    for breach in breaches:
        side = breach.limit.removesuffix("High").removesuffix("Low")
        known = worst.get(side)
        if known is None or _severity(breach) > _severity(known):
            worst[side] = breach
    return [worst[side] for side in sorted(worst)]


def _severity(breach: Breach) -> tuple[bool, float]:
    outwards = breach.bound if breach.limit.startswith("high") else -breach.bound
    return breach.limit in {"highHigh", "lowLow"}, outwards


def _evidence(
    *,
    kind: EvidenceKind,
    value: float,
    bound: float,
    limit: str = "",
    onset_ns: int = 0,
    z: float = 0.0,
) -> Evidence:
    return Evidence(
        id="",
        kind=kind,
        node="",
        property="",
        unit="",
        value=significant(value),
        bound=significant(bound),
        limit=limit,
        onset_ns=onset_ns,
        z=significant(z),
    )


def significant(value: float) -> float:
    """Round to six significant digits: what is beyond them is noise, to a reader and in a prompt."""
    return float(f"{value:.6g}")


def _worst_first(item: Evidence) -> tuple[bool, int, int, float, str, str, str]:
    return (
        not is_alarming(item),
        _WORST_FIRST.index(item.kind),
        item.onset_ns,
        -abs(item.z),
        item.node,
        item.property,
        item.limit,
    )
