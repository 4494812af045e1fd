"""The comparison is one of equals: the same statistics either way, and a bound that whole blocks can reach."""

import json
import re

from bench.evaluation.cases import requests_of
from bench.evaluation.scenes import scenes
from bench.prompt_economy import MUCH, WAYS, as_json, hits_possible, worst_error
from edgeglm_agent.graph.encode import Clock, Detail
from edgeglm_agent.reason.prompt import question
from edgeglm_agent.reason.request import Request

NUMBER = re.compile(r"(?<![\w.-])[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w-])")


def asked() -> list[Request]:
    return [request for scene in scenes(1001) for request in requests_of(scene)]


def numbers(text: str) -> set[float]:
    return {float(each) for each in NUMBER.findall(text)}


def test_json_has_the_same_statistics_as_the_prompt() -> None:
    for request in asked():
        window = question(request, Detail.FULL)[1]["content"].partition("\nWindow of ")[2].partition(":\n")[2]
        document = json.loads(as_json(request, Clock(request.start_ns).tell))
        parts = json.dumps([document[part] for part in ("nodes", "edges", "evidence")])
        told = numbers(parts.replace(' s"', ' "'))
        # JSON has fields where the prompt has a word, for one change or one deviation.
        assert numbers(window) <= {round(each, 6) for each in told} | {abs(each) for each in told}
        assert {node["id"] for node in document["nodes"]} == {node.id for node in request.subject.nodes}
        assert len(document["evidence"]) == len(request.subject.evidence)


def test_numbers_are_read_back_to_four_digits() -> None:
    worst, count = worst_error(asked())
    assert worst <= MUCH
    assert count > 100


def test_only_whole_blocks_of_what_was_there_before_can_be_hit() -> None:
    assert hits_possible([[1, 2, 3, 4], [1, 2, 3, 4]], 2) == 2
    assert hits_possible([[1, 2, 3, 4], [1, 2, 3, 5, 6]], 2) == 2
    assert hits_possible([[1, 2, 3, 4], [9, 2, 3, 4]], 2) == 0
    assert hits_possible([[1, 2, 3], [1, 2, 3, 4, 5], [1, 2, 3, 4, 6]], 2) == 2 + 4
    assert hits_possible([], 16) == 0


def test_what_stays_is_the_same_text_in_all_windows_of_a_partition() -> None:
    """Whatever is wrong in them; only who is in them may change it."""
    beginnings: dict[tuple[str, str], set[str]] = {}
    for request in asked():
        if request.graph == "line-1":
            beginning, _, _ = WAYS["the agent's prompt"](request)[1]["content"].partition("\nWindow of ")
            beginnings.setdefault((request.graph, request.partition), set()).add(beginning)
    assert beginnings
    assert all(len(each) == 1 for each in beginnings.values())


def test_a_question_costs_less_than_half_of_compact_json() -> None:
    """Counted in letters, as tokens need an engine: make bench-prompt counts those."""
    ours, as_documents = (
        _computed(["".join(message["content"] for message in WAYS[way](request)) for request in asked()])
        for way in ("the agent's prompt", "compact JSON")
    )
    assert ours <= 0.5 * as_documents, ours / as_documents


def _computed(prompts: list[str]) -> int:
    letters = [[ord(letter) for letter in prompt] for prompt in prompts]
    return sum(map(len, letters)) - hits_possible(letters, 64)
