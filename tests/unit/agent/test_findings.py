"""A finding opens, goes on, and ends; whatever happens in between, what is told makes one story."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeglm_agent.findings.life import (
    Life,
    Look,
    Named,
    after_telling,
    as_told,
    is_history,
    is_news,
    look_at,
    rests_on,
    state_of,
    told_by,
)
from edgeglm_agent.findings.turns import closed
from edgeglm_agent.findings.word import Word
from edgeglm_agent.reason.citation import severity_of
from edgeglm_agent.reason.docket import Docket
from edgeglm_agent.reason.outcome import answer_to
from edgeglm_agent.spool import findings as table
from edgeglm_agent.spool import quiet_windows
from edgeglm_agent.spool.findings import StoredFinding, all_findings, bound_findings, save_findings
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.quiet_windows import QuietWindow
from edgeglm_agent.spool.requests import load_request, waiting
from edgeglm_api.answer import Answer, Finding, ModelUse, Severity
from edgeglm_api.sensor_graph import Findings as Rules
from edgeglm_api.sensor_graph import Question, Task, When
from tests.edge.bundles import GRAPH_UID, a_bundle, a_graph

from .machine import Machine
from .observations import SECOND, a_message, evidence

RULES = Rules(remind_every_seconds=60, clear_after_windows=3)
SIZE = 10 * SECOND
M1 = ("m1", "rms")
MODEL = ModelUse(model="tiny", route="Edge", endpoint="engine")


def a_finding(key: str = "Anomaly/m1/rms", *, kind: Task = "Anomaly", severity: Severity = "Warning") -> Finding:
    return Finding(
        key=key,
        kind=kind,
        severity=severity,
        statement="m1 rms is too high",
        node_ids=("m1",),
        evidence_ids=("e1",),
        confidence="High",
    )


def look(number: int, *, named: Iterable[Finding] = (), evident: bool = False, **changes: Any) -> Look:
    """The window of this number, of ten seconds."""
    found = tuple(Named(each, (M1,)) for each in named)
    evidence = frozenset({M1}) if evident or found else frozenset()
    seen = Look(start_ns=number * SIZE, end_ns=(number + 1) * SIZE, evidence=evidence, named=found)
    return msgspec.structs.replace(seen, **({"conclusive": bool(found)} | changes))


def lived(*looks: Look, lives: Iterable[Life] = ()) -> tuple[list[Life], list[str]]:
    """What is known after these, and what was told in which window."""
    known, told = list(lives), list[str]()
    for each in looks:
        known = look_at(known, each, RULES)
        answer = told_by(known, each, RULES)
        if any(is_news(life, each.end_ns, RULES) for life in answer):
            told += [f"{each.start_ns // SIZE} {state_of(life, each.end_ns)} {severity(life)}" for life in answer]
            known = [after_telling(life, each.end_ns) if life in answer else life for life in known]
        known = [life for life in known if not is_history(life, each.end_ns)]
    return known, told


def severity(life: Life) -> Severity:
    return life.finding.severity


def test_it_is_told_when_it_opens_when_it_gets_worse_when_a_reminder_is_due_and_when_it_is_over() -> None:
    warning, alarm = a_finding(), a_finding(severity="Critical")
    lives, told = lived(
        look(0, named=[warning]),
        look(1, named=[warning]),
        look(2, named=[alarm]),
        look(3, named=[warning]),
        look(4, named=[alarm]),
        *(look(number, named=[alarm]) for number in range(5, 10)),
        *(look(number) for number in range(10, 16)),
    )
    assert told == ["0 Open Warning", "2 Ongoing Critical", "8 Ongoing Critical", "12 Cleared Critical"]
    assert lives == []


def test_an_anomaly_lasts_as_long_as_its_evidence_whatever_the_model_says() -> None:
    unmentioned = [look(number, evident=True, conclusive=True) for number in range(1, 5)]
    (life,), told = lived(look(0, named=[a_finding()]), *unmentioned)
    assert told == ["0 Open Warning"]
    assert life.seen_ns == 5 * SIZE


def test_what_the_model_makes_of_the_evidence_ends_when_it_no_longer_says_so() -> None:
    cause = a_finding("RootCause/m1/m2", kind="RootCause")
    nobody_knows = [look(number, evident=True) for number in range(1, 9)]
    denied = [look(number, evident=True, conclusive=True) for number in range(9, 12)]
    assert lived(look(0, named=[cause]), *nobody_knows)[1] == ["0 Open Warning"]
    assert lived(look(0, named=[cause]), *nobody_knows, *denied)[1] == ["0 Open Warning", "11 Cleared Warning"]


def test_what_has_no_evidence_outlasts_windows_that_nobody_is_asked_about() -> None:
    link = Named(a_finding("LinkCompletion/m1/feeds/m2", kind="LinkCompletion"), ())
    opening = look(0, conclusive=True)
    opening = msgspec.structs.replace(opening, named=(link,))
    quiet = [look(number) for number in range(1, 9)]
    assert lived(opening, *quiet)[1] == ["0 Open Warning"]
    without = [look(number, conclusive=True) for number in range(9, 12)]
    assert lived(opening, *quiet, *without)[1] == ["0 Open Warning", "11 Cleared Warning"]


@pytest.mark.parametrize("kind", ["Anomaly", "Explanation"])
def test_a_graph_that_was_trimmed_proves_no_absence(kind: Task) -> None:
    trimmed = [look(number, partial=True, conclusive=True) for number in range(1, 9)]
    assert lived(look(0, named=[a_finding(kind=kind)]), *trimmed)[1] == ["0 Open Warning"]


def test_a_finding_rests_on_the_series_that_it_cites_and_an_anomaly_on_those_of_its_node() -> None:
    known = (evidence(1, "m1"), evidence(2, "m2"), evidence(3, "m1", property="bearing"))
    cites = msgspec.structs.replace(a_finding(), node_ids=("m1", "m2"), evidence_ids=("e1", "e2"))
    assert rests_on(cites, known) == (M1,)
    assert rests_on(msgspec.structs.replace(cites, kind="Explanation"), known) == (M1, ("m2", "rms"))


def test_three_windows_in_a_row_count_also_when_they_are_told_as_one() -> None:
    assert lived(look(0, named=[a_finding()]), look(3, windows=3))[1][-1] == "3 Cleared Warning"


def test_a_finding_that_is_over_says_since_when_and_cites_nothing() -> None:
    (life,) = look_at([], look(0, named=[a_finding()]), RULES)
    over = msgspec.structs.replace(life, over=True)
    told = as_told(over, "id", 9 * SIZE)
    assert (told.state, told.id, told.evidence_ids) == ("Cleared", "id", ())
    assert told.statement == "not seen since 1970-01-01T00:00:10Z; last: m1 rms is too high"


# The word of people.


def test_a_window_out_of_its_turn_opens_what_nobody_knew_of_and_ends_nothing() -> None:
    warning, alarm = a_finding(), a_finding(severity="Critical")
    now = look(8, named=[warning])
    _, told = lived(now, look(2, belated=True), look(3, belated=True), look(4, belated=True), look(9, named=[warning]))
    assert told == ["8 Open Warning"]
    lives, told = lived(now, look(2, named=[alarm], belated=True))
    assert told == ["8 Open Warning", "2 Ongoing Critical"], "it was worse than anybody knew"
    assert lives[0].seen_ns == 9 * SIZE
    _, told = lived(look(2, named=[warning], belated=True), *(look(number) for number in range(8, 12)))
    assert told == ["2 Open Warning", "10 Cleared Warning"]


def worded(kind: Any, *, until: int = 0) -> Life:
    """A finding of which was told, and then said something."""
    ((life,), _) = lived(look(0, named=[a_finding()]))
    return msgspec.structs.replace(life, word=Word(kind, "anna", SIZE, "Warning", until))


def go_on(life: Life, *looks: Look) -> list[str]:
    return lived(*looks, lives=[life])[1]


def test_who_acknowledges_is_told_once_and_reminded_no_more() -> None:
    life = worded("Acknowledged")
    lasting = [look(number, named=[a_finding()]) for number in range(1, 30)]
    assert go_on(life, *lasting) == ["1 Acknowledged Warning"]
    worse = look(30, named=[a_finding(severity="Critical")])
    assert go_on(life, *lasting, worse) == ["1 Acknowledged Warning", "30 Ongoing Critical"]


def test_a_shelved_finding_is_silent_until_the_time_is_over_or_it_gets_worse() -> None:
    life = worded("Shelved", until=20 * SIZE)
    lasting = [look(number, named=[a_finding()]) for number in range(1, 22)]
    assert go_on(life, *lasting) == ["1 Shelved Warning", "19 Ongoing Warning"]
    worse = look(5, named=[a_finding(severity="Critical")])
    assert go_on(life, *lasting[:4], worse) == ["1 Shelved Warning", "5 Ongoing Critical"]


def test_a_nuisance_that_is_shelved_comes_and_goes_in_silence() -> None:
    life = worded("Shelved", until=100 * SIZE)
    gone = [look(number) for number in range(1, 4)]
    again = [look(4, named=[a_finding()]), *(look(number) for number in range(5, 9))]
    assert go_on(life, *gone) == ["3 Cleared Warning"], "it was told as open, so it is told as over"
    assert go_on(life, *gone, *again) == ["3 Cleared Warning"], "the next visit is not told at all"


# Whatever happens.

KEYS = ("Anomaly/m1/rms", "RootCause/m1/m2")
SEVERITIES: tuple[Severity, ...] = ("Info", "Warning", "Critical")


@st.composite
def looks(draw: st.DrawFn) -> list[Look]:
    made = []
    for number in range(draw(st.integers(1, 40))):
        keys = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=2))
        named = [
            a_finding(key, kind="RootCause" if key.startswith("Root") else "Anomaly", severity=draw(severities))
            for key in keys
        ]
        made.append(look(number, named=named, evident=draw(st.booleans()), partial=draw(st.booleans())))
    return made


severities = st.sampled_from(SEVERITIES)


@given(looks())
def test_what_is_told_of_a_finding_is_one_story(stream: list[Look]) -> None:
    """Open first, then only what is new, Cleared last, and then maybe Open again; the same on each replay."""
    lives: list[Life] = []
    told: dict[str, list[tuple[str, Severity, int, bool]]] = {}
    for each in stream:
        lives = look_at(lives, each, RULES)
        answer = told_by(lives, each, RULES)
        for life in answer:
            news, state = is_news(life, each.end_ns, RULES), state_of(life, each.end_ns)
            told.setdefault(life.finding.key, []).append((state, severity(life), each.end_ns, news))
        assert {life.finding.key for life in answer if not life.over} == {each.finding.key for each in each.named}
        if any(is_news(life, each.end_ns, RULES) for life in answer):
            lives = [after_telling(life, each.end_ns) if life in answer else life for life in lives]
        else:
            for life in answer:
                told[life.finding.key].pop()
        lives = [life for life in lives if not is_history(life, each.end_ns)]
    for story in told.values():
        assert story[0][0] == "Open"
        for (before, was, then, _), (after, now_is, now, news) in pairwise(story):
            assert (before == "Cleared") == (after == "Open")
            worse = SEVERITIES.index(now_is) > SEVERITIES.index(was)
            due = now - then >= RULES.remind_every_seconds * SECOND
            assert news == (worse or due or after in {"Open", "Cleared"})
    assert lived(*stream) == lived(*stream)


@given(looks(), st.integers(0, 40))
def test_a_life_that_was_written_down_goes_on_the_same(stream: list[Look], at: int) -> None:
    before, _ = lived(*stream[:at])
    kept = [msgspec.json.decode(msgspec.json.encode(life), type=Life) for life in before]
    assert kept == before


# In the order of time, however late an answer comes.


def a_site(folder: Path, *, clear_after: int = 3) -> Machine:
    rules = a_graph(question=Question(when=When(detectors=("Limit",))), findings=Rules(clear_after_windows=clear_after))
    return Machine(folder, a_bundle(rules))


def hear(machine: Machine, seconds: Iterable[int], *, bad: Iterable[int] = ()) -> None:
    ill = set(bad)
    hear_levels(machine, {second: 12.0 if second in ill else 2.0 for second in seconds})


def hear_levels(machine: Machine, levels: Mapping[int, float]) -> None:
    machine.hear(*(a_message(rms, at=100.0 + second) for second, rms in levels.items()))
    machine.fold_all()


def answer_all(machine: Machine) -> None:
    """Have a model answer what waits, one after the other."""
    docket = Docket(machine.ledger, lambda: 0)
    while claims := docket.claim(10)[0]:
        for claim in claims:
            known = claim.request.subject.evidence
            found = msgspec.structs.replace(
                a_finding(severity=severity_of(known)), node_ids=(known[0].node,), evidence_ids=(known[0].id,)
            )
            answer = answer_to(claim.request, "Ok", claim.spans, model=MODEL)
            docket.answer(claim, msgspec.structs.replace(answer, findings=(found,)))


def story(machine: Machine) -> list[tuple[str, Severity]]:
    """State and severity of each finding that is on its way to the broker."""
    rows = machine.ledger.db.execute("SELECT body FROM answer WHERE delivered = 0 ORDER BY seq")
    answers = [msgspec.json.decode(body, type=Answer) for (body,) in rows]
    return [(str(found.state), found.severity) for each in answers for found in each.findings]


def findings_counted(machine: Machine) -> dict[str, int]:
    return dict(machine.ledger.db.execute("SELECT entry, n FROM book WHERE entry GLOB 'findings.*'").fetchall())


@pytest.mark.parametrize("late", [False, True], ids=["at once", "at the end"])
def test_a_late_answer_tells_the_same_as_a_quick_one(tmp_path: Path, late: bool) -> None:  # noqa: FBT001 - the case
    machine = a_site(tmp_path)
    for second in range(40):
        hear(machine, [second], bad=[5, 6, 20])
        if not late:
            answer_all(machine)
    if late:
        answer_all(machine)
    assert [state for state, _ in story(machine)] == ["Open", "Cleared", "Open", "Cleared"]
    assert findings_counted(machine) == {"findings.opened": 2, "findings.cleared": 2, "findings.held": 1}


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from([2.0, 9.0, 12.0]), st.booleans(), st.booleans()), max_size=40))
def test_the_story_does_not_hang_on_when_answers_come_nor_on_crashes(
    tmp_path_factory: pytest.TempPathFactory, seconds: list[tuple[float, bool, bool]]
) -> None:
    """Each second is well, above a limit or alarming; then maybe answers come, and maybe the agent is killed."""
    prompt, late = a_site(tmp_path_factory.mktemp("prompt")), a_site(tmp_path_factory.mktemp("late"))
    for second, (rms, answers, crashes) in enumerate(seconds):
        for machine in (prompt, late):
            hear_levels(machine, {second: rms})
        answer_all(prompt)
        if answers:
            answer_all(late)
        if crashes:
            late.crash()
            late.fold_all()
    answer_all(late)
    assert story(late) == story(prompt)
    assert findings_counted(late) == findings_counted(prompt)


def test_a_crash_between_two_looks_changes_nothing(tmp_path: Path) -> None:
    steady, shaken = a_site(tmp_path / "a"), a_site(tmp_path / "b")
    for second in range(40):
        for machine in (steady, shaken):
            hear(machine, [second], bad=[5, 6, 20])
            if second % 3 == 0:
                answer_all(machine)
        shaken.crash()
        shaken.fold_all()
    answer_all(steady)
    answer_all(shaken)
    assert story(shaken) == story(steady)
    assert shaken.answers() == steady.answers()


def test_windows_that_wait_for_their_turn_lie_in_few_rows(tmp_path: Path) -> None:
    machine = a_site(tmp_path)
    hear(machine, range(500), bad=[5, 300])
    rows = machine.ledger.db.execute("SELECT count(*) FROM quiet").fetchone()[0]
    assert rows == 2, "one behind each question"
    answer_all(machine)
    assert machine.ledger.db.execute("SELECT count(*) FROM quiet").fetchone()[0] == 0


def test_windows_that_differ_fill_no_more_rows_than_there_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound evidence of one window counts for its whole row: the finding clears late, and not early."""
    monkeypatch.setattr(quiet_windows, "MAX_ROWS", 4)
    machine = a_site(tmp_path)
    hear(machine, range(9), bad=[5])
    with machine.ledger.transaction() as db:
        (request,) = (load_request(db, each.id) for each in waiting(db))
        for number in range(40):
            ends_ns = request.end_ns + (number + 10) * SECOND
            later = msgspec.structs.replace(request, id=f"r{number}", start_ns=ends_ns - SECOND, end_ns=ends_ns)
            series = frozenset(() if number % 2 else {("l1/m1", "rms")})
            closed(db, QuietWindow(later, later.start_ns, series, tell=False))
    assert machine.ledger.db.execute("SELECT count(*) FROM quiet").fetchone()[0] == 4
    answer_all(machine)
    assert [each.life.over for each in all_findings(machine.ledger.db)] == [False]


def test_the_findings_of_a_graph_that_is_gone_are_forgotten(tmp_path: Path) -> None:
    machine = a_site(tmp_path)
    hear(machine, range(10), bad=[5, 6, 7, 8, 9])
    answer_all(machine)
    assert len(all_findings(machine.ledger.db)) == 1
    machine.pipeline.apply(msgspec.structs.replace(machine.bundle, graphs=(), generation=2))
    assert all_findings(machine.ledger.db) == []


def test_too_many_findings_of_a_graph_lose_those_that_were_seen_longest_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "MAX_OF_A_GRAPH", 3)
    ledger = Ledger(tmp_path / "ledger.db")
    with ledger.transaction() as db:
        save_findings(
            db, [StoredFinding(f"f{n}", GRAPH_UID, "l1", Life(a_finding(), (M1,), 0, n * SIZE)) for n in range(5)]
        )
        save_findings(db, [StoredFinding("other", "g2", "l1", Life(a_finding(), (M1,), 0, 0))])
        assert bound_findings(db, GRAPH_UID) == 2
    assert [each.id for each in all_findings(ledger.db)] == ["f2", "f3", "f4", "other"]
    ledger.close()
