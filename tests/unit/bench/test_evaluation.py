"""The harness, judged by players whose worth is known: an oracle, a guesser, a liar."""

from collections.abc import Sequence
from functools import cache
from math import sqrt

import pytest

from bench.evaluation.asking import ask_all
from bench.evaluation.cases import ENDPOINT, Case, cases
from bench.evaluation.claims import possible, standing
from bench.evaluation.knowledge import knowledge_graph
from bench.evaluation.players import Play, Player, detectors, guesser, liar, oracle
from bench.evaluation.score import Score, scores
from edgeglm_agent.graph.encode import Detail
from edgeglm_agent.reason.client import Reply
from edgeglm_agent.reason.prompt import question

TASKS = ("Anomaly", "RootCause", "LinkCompletion")
SEEDS = range(1000, 1004)
GUESSES = 40


@cache
def known() -> list[Case]:
    return cases(SEEDS)


async def played(play: Play, over: Sequence[Case] | None = None) -> dict[str, Score]:
    asked = known() if over is None else over
    return scores(asked, await ask_all(asked, Player(asked, play), ENDPOINT))


def test_the_cases_are_the_same_each_time_and_others_for_other_seeds() -> None:
    again, others = cases(SEEDS[:1]), cases([2000])
    assert again == known()[: len(again)]
    assert {case.task for case in again} == set(TASKS)
    prompts = [question(case.request, Detail.FULL)[1]["content"] for case in (*again, *others)]
    assert len(set(prompts)) == len(prompts)


def test_there_is_something_to_get_wrong_in_each_task() -> None:
    """Windows in which nothing is wrong, nodes with evidence that are well, causes that stand and are none."""
    for task in TASKS:
        mine = [case for case in known() if case.task == task]
        assert any(set(standing(case.request)) - case.truth for case in mine), task
    assert any(not case.truth for case in known())


@pytest.mark.parametrize("task", TASKS)
async def test_who_knows_all_scores_one(task: str) -> None:
    score = (await played(oracle))[task]
    assert (score.precision, score.recall, score.f1, score.exact, score.first, score.among) == (1, 1, 1, 1, 1, 1)
    assert score.invalid == score.abstained == score.repaired == 0


@pytest.mark.parametrize("task", TASKS)
async def test_who_lies_with_ids_that_exist_scores_nothing(task: str) -> None:
    score = (await played(liar))[task]
    assert (score.recall, score.f1, score.first, score.among) == (0, 0, 0, 0)
    assert score.precision in {0, 1}, "1 where there is no lie that stands"
    lied = [case for case in known() if case.task == task and set(standing(case.request)) - case.truth]
    assert score.exact <= 1 - len(lied) / score.cases


@pytest.mark.parametrize("task", TASKS)
async def test_who_guesses_is_right_as_often_as_chance_has_it(task: str) -> None:
    """A claim that does not stand is guessed once more, as any model is asked once more."""
    mine = [case for case in known() if case.task == task and case.truth]
    rates = [(await played(guesser(seed), mine))[task].first for seed in range(GUESSES)]
    chances = [_chance(case) for case in mine]
    expected = sum(chances) / len(chances)
    deviation = sqrt(sum(each * (1 - each) for each in chances) / GUESSES) / len(chances)
    assert abs(sum(rates) / GUESSES - expected) <= 4 * deviation
    assert expected < 0.9


def _chance(case: Case) -> float:
    claims = possible(case.request)
    true = len(case.truth) / len(claims)
    falls = 1 - len(standing(case.request)) / len(claims)
    return true + falls * true


async def test_detectors_alone_find_all_and_blame_the_well() -> None:
    score = await played(detectors)
    assert score["Anomaly"].recall == 1
    assert score["Anomaly"].precision < 1


async def test_an_engine_that_talks_nonsense_is_invalid() -> None:
    class Nonsense:
        async def complete(self, *_: object) -> Reply:
            return Reply(text="all is well!", cut_off=False, prompt_tokens=100, completion_tokens=3)

    asked = known()[:20]
    for score in scores(asked, await ask_all(asked, Nonsense(), ENDPOINT)).values():
        assert score.invalid == 1
        assert score.exact == score.recall == 0
        assert (score.prompt_tokens, score.completion_tokens) == (200, 6)


def test_what_is_held_out_of_a_knowledge_graph_follows_from_the_rest() -> None:
    for seed in range(20):
        graph, (sensor, kind, gateway) = knowledge_graph(seed)
        ends = {(edge.source, edge.type): edge.target for edge in graph.edges}
        line = ends[ends[sensor, "measures"], "partOf"]
        assert ends[gateway, "serves"] == line
        assert (sensor, kind) not in ends
