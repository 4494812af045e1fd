"""Where a series is going is told from its hour before: when it is steady, how much it is, and what it leads to."""

import itertools
import random
from collections.abc import Iterable, Sequence
from statistics import median

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.graph import trend
from edgeglm_agent.graph.encode import encode_entities, encode_window
from edgeglm_agent.graph.evidence import is_alarming, signature
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.sentence import sentence
from edgeglm_agent.graph.trend import POINTS, Track, Tracks, follow, trends_at
from edgeglm_agent.pipeline.judge import ASKED, QUIET, Judged, judge
from edgeglm_agent.reason.citation import severity_of
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Limits, Question, When
from tests.edge.bundles import a_bundle, a_graph, a_source

from .machine import Crash, assert_crashes_change_nothing
from .observations import SECOND, a_message, an_observation
from .test_graph_fold import a_fold, counts, feed
from .test_late import SITE, a_late_graph

MINUTE = 60 * SECOND
BEGIN = 1_700_000_100
"""Seconds: a multiple of five minutes."""
AHEAD = Question(when=When(detectors=("Trend",)))


def followed(means: Iterable[float | None], *, tracks: Tracks | None = None, windows_a_point: int = 1) -> Tracks:
    """Windows one after the other, each with one reading, or none."""
    tracks, seconds = tracks or Tracks(), 300 // windows_a_point
    for number, mean in enumerate(means):
        end_ns = (BEGIN + (number + 1) * seconds) * SECOND
        pane = Pane()
        if mean is not None:
            pane.add(an_observation(mean, at=BEGIN + number * seconds))
        tracks = follow(tracks, pane, point_seconds=300, end_ns=end_ns, since_ns=0)
    return tracks


def per_hour(tracks: Tracks, entity: str = "m1") -> float | None:
    return tracks.series[entity]["rms"].per_hour


def reference(points: Sequence[float | None]) -> float | None:
    """Mann-Kendall and Theil-Sen as the textbooks write them, of points five minutes apart."""
    known = [(at / 12, mean) for at, mean in enumerate(points) if mean is not None]
    n = len(known)
    if n < 8:
        return None
    pairs = list(itertools.combinations(known, 2))
    in_order = sum(1 for one, other in pairs if other[1] > one[1]) - sum(1 for one, other in pairs if other[1] < one[1])
    deviation = (n * (n - 1) * (2 * n + 5) / 18) ** 0.5
    if (abs(in_order) - 1) / deviation < 3:
        return 0.0
    return median((other[1] - one[1]) / (other[0] - one[0]) for one, other in pairs)


# What is computed.


@given(st.lists(st.none() | st.integers(-50, 50).map(float), min_size=2, max_size=40), st.booleans())
def test_it_is_what_the_textbooks_say_of_the_last_twelve_points(points: list[float | None], rising: bool) -> None:  # noqa: FBT001
    if rising:
        points = [None if point is None else point + 12.0 * at for at, point in enumerate(points)]
    points = [0.0, *points, 7.0]
    expected = reference(points[:-1][-POINTS:])
    assert per_hour(followed(points)) == pytest.approx(expected)


def test_of_too_few_points_nothing_is_said() -> None:
    assert per_hour(followed(float(at) for at in range(8))) is None
    assert per_hour(followed(float(at) for at in range(9))) == pytest.approx(12.0)


def test_a_point_is_the_mean_of_its_windows() -> None:
    chance = random.Random(1)  # noqa: S311 - no secret
    means = [at // 10 + chance.uniform(-0.4, 0.4) for at in range(130)]
    (track,) = followed(means, windows_a_point=10).series["m1"].values()
    assert track.past == pytest.approx([sum(means[at * 10 : at * 10 + 10]) / 10 for at in range(12)])
    assert track.per_hour == pytest.approx(12.0, rel=0.1)


@pytest.mark.parametrize(
    "points",
    [
        [2.0] * 13,
        [2.0, 3.0] * 7,
        [2.0] * 11 + [9.0] * 2,
        [*range(7), *range(7, 0, -1)],
    ],
    ids=["level", "swinging", "one jump at last", "up and down"],
)
def test_what_only_moves_is_steady(points: list[float]) -> None:
    assert per_hour(followed(map(float, points))) == 0.0


def test_one_odd_point_moves_it_little() -> None:
    means = [float(at) for at in range(13)]
    means[5] = 90.0
    assert per_hour(followed(means)) == pytest.approx(12.0, rel=0.2)


def test_what_goes_nowhere_seldom_has_one() -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    series = [per_hour(followed(chance.gauss(5, 1) for _ in range(13))) for _ in range(2000)]
    assert sum(each != 0 for each in series) <= 10


def test_it_is_forgotten_in_silence() -> None:
    rising = followed(float(at) for at in range(13))
    last_ns = (BEGIN + 13 * 300) * SECOND
    assert trends_at(rising, last_ns)["m1"] == {"rms": pytest.approx(12.0)}
    assert trends_at(rising, last_ns + 30 * MINUTE)["m1"] != {}
    assert trends_at(rising, last_ns + 31 * MINUTE)["m1"] == {}
    assert per_hour(followed([*map(float, range(13)), *[None] * 40, 50.0])) is None


def test_points_of_another_length_begin_anew() -> None:
    tracks, pane = followed(float(at) for at in range(13)), Pane()
    pane.add(an_observation(5.0, at=BEGIN))
    anew = follow(tracks, pane, point_seconds=600, end_ns=(BEGIN + 600) * SECOND, since_ns=0)
    assert anew.series["m1"]["rms"] == Track((BEGIN + 599) // 600, 1, 5.0)


def test_it_is_kept_in_so_many_bytes_a_series() -> None:
    long = followed(at / 7 for at in range(200))
    (track,) = long.series["m1"].values()
    assert len(msgspec.msgpack.encode(track)) <= 150


def test_strangers_that_invent_entities_push_out_only_who_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trend, "MAX_ENTITIES", 3)
    tracks = followed(map(float, range(13)))
    for number in range(20):
        pane = Pane()
        pane.add(an_observation(1.0, at=BEGIN, machine="m1"))
        pane.add(an_observation(1.0, at=BEGIN, machine=f"stranger-{number}"))
        tracks = follow(tracks, pane, point_seconds=300, end_ns=(BEGIN + 4000) * SECOND, since_ns=0)
    assert len(tracks.series) <= 5
    assert per_hour(tracks) == pytest.approx(12.0)


# What a window says of it.


def an_hour_s(start: float, step: float, *, question: Question = AHEAD, **changes: object) -> list[Judged]:
    """Windows of a minute, in which a machine's rms goes up or down by a step each."""
    window = msgspec.structs.replace(a_graph().window, size_seconds=60, idle_timeout_seconds=300)
    return judged(a_graph(window=window, question=question, **changes), start, step, minutes=80)


def judged(rules: Graph, start: float, step: float, *, minutes: int) -> list[Judged]:
    fold = a_fold(rules)
    found: list[Judged] = []
    for minute in range(minutes):
        at = float(BEGIN + minute * 60)
        found += [judge(each, SITE) for each in feed(fold, a_message(start + step * minute, at=at, arrived=at))]
    return found


def test_a_limit_ahead_asks_before_it_is_passed() -> None:
    """2 mm/s, and 0.05 more each minute: 7.1 is passed after 102 minutes, and the model is asked within 50."""
    windows = an_hour_s(2.0, 0.05)
    asked = [each.request for each in windows if each.verdict == ASKED]
    assert [each.verdict for each in windows[:40]] == [QUIET] * 40
    assert asked[0].start_ns // SECOND - BEGIN < 51 * 60
    (item,) = asked[0].subject.evidence
    assert (item.kind, item.limit, item.bound, item.onset_ns) == ("Trend", "high", 7.1, 0)
    assert item.value == pytest.approx(3.0)
    assert severity_of([item]) == "Info"
    assert sentence(item).startswith("l1/m1 rms rises steadily by 3 mm/s an hour, and passes its high limit 7.1 in ")


def test_a_trend_that_leads_to_no_limit_costs_no_token() -> None:
    def text(judged: Judged) -> str:
        subject = judged.request.subject
        return encode_entities(subject) + encode_window(subject, judged.request.start_ns)

    falling, level = (an_hour_s(5.0, step, question=Question())[-1] for step in (-0.01, 0.0))
    (fallen,) = (each for node in falling.request.subject.nodes for each in node.measured)
    assert fallen.trend == pytest.approx(-0.6)
    assert len(text(falling)) <= len(text(level)) + len("4.21") - len("5")
    assert "trend" not in text(falling)


def test_what_is_wrong_with_a_series_is_told_with_its_trend() -> None:
    last = an_hour_s(5.0, 0.05)[-1]
    (item,) = (each for each in last.request.subject.evidence if each.kind == "Limit")
    assert item.limit == "high"
    assert " trend +3/h" in encode_window(last.request.subject, last.request.start_ns)


def test_with_an_alarm_limit_ahead_it_is_no_alarm_yet() -> None:
    evidence = an_hour_s(6.0, 0.05)[-1].request.subject.evidence
    (ahead,) = (each for each in evidence if each.kind == "Trend")
    assert ahead.limit == "highHigh"
    assert not is_alarming(ahead)
    assert set(signature(evidence).split("|")) >= {"l1/m1\x1frms\x1fTrend", "l1/m1\x1frms\x1fhigh"}


def test_downwards_it_is_the_low_limit() -> None:
    measurement = a_source().measurements[0]
    low = msgspec.structs.replace(measurement, limits=Limits(low_low=0.5, low=1.0))
    windows = an_hour_s(5.0, -0.03, sources=(msgspec.structs.replace(a_source(), measurements=(low,)),))
    (item,) = windows[-1].request.subject.evidence
    assert (item.kind, item.limit, item.bound) == ("Trend", "low", 1.0)
    assert sentence(item).startswith("l1/m1 rms falls steadily by 1.8 mm/s an hour, and passes its low limit 1 in ")


def test_what_is_usual_does_not_go_along_with_what_runs_into_a_limit() -> None:
    window = msgspec.structs.replace(a_graph().window, size_seconds=60, idle_timeout_seconds=300)
    fold = a_fold(a_graph(window=window, question=AHEAD))
    usual: list[float] = []
    for minute in range(80):
        at = float(BEGIN + minute * 60)
        for closed in feed(fold, a_message(2.0 + 0.05 * minute, at=at, arrived=at)):
            judge(closed, SITE)
            usual.append(closed.partition.baselines["l1/m1"]["rms"].mean)
    assert usual[60:] == [usual[60]] * len(usual[60:])


# In any order, over any crash.


def test_late_readings_disturb_it_in_no_order() -> None:
    """With Revise a window is learned from when its time is over: the tracks are those of the order of time."""
    told = [a_message(minute / 60, at=float(BEGIN + minute * 60)) for minute in range(90)]
    late = {each: msgspec.structs.replace(each, arrived_ns=each.arrived_ns + 240 * SECOND) for each in told[3:80:7]}
    mixed = sorted((late.get(each, each) for each in told), key=lambda each: each.arrived_ns)
    steady, shaken = (a_fold(a_late_graph(within=600, size=60, slide=60)) for _ in range(2))
    for fold, stream in ((steady, told), (shaken, mixed)):
        for message in stream:
            for closed in feed(fold, message):
                judge(closed, SITE)
    assert counts(shaken)["windowed"] == counts(steady)["windowed"]
    assert shaken.partitions["l1"].tracks == steady.partitions["l1"].tracks
    assert per_hour(steady.partitions["l1"].tracks, "l1/m1") == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("every", [1, 7, 31])
def test_a_kill_changes_no_question_about_it(tmp_path_factory: pytest.TempPathFactory, every: int) -> None:
    window = msgspec.structs.replace(a_graph().window, size_seconds=60, idle_timeout_seconds=300)
    bundle = a_bundle(a_graph(window=window, question=AHEAD))
    stream = [a_message(2.0 + 0.05 * minute, at=float(BEGIN + minute * 60)) for minute in range(80)]
    faults = [Crash(every, folds=True, checkpoints=at % 2 == 0) for at in range(80 // every)]
    requests = assert_crashes_change_nothing(tmp_path_factory, bundle, stream, faults)
    assert len(requests) > 1
