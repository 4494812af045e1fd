"""What must hold of an answer, whatever the data says and whatever the engine made of it."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from edgeglm_agent.graph.encode import Detail
from edgeglm_agent.reason.prompt import question
from edgeglm_agent.reason.request import Request

MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_TEXT_CHARS: Final = 16 * 1024
IDS: Final = {"nodeIds", "partition", "key", "source", "target"}
"""Names as they were heard: readers have to find them again."""
MARKERS: Final = (
    *("<|", "[gMASK]", "[sMASK]", "[MASK]", "<sop>", "<eop>", "<think>", "</think>", "<tool_call>"),
    *("[INST]", "[/INST]", "<<SYS>>", "<s>", "</s>", "<start_of_turn>", "<end_of_turn>", "<\uff5c"),
)
"""What chat templates of GLM, ChatML, Llama, Gemma and DeepSeek begin and end turns with."""
_TEXT: Final = r'"(?:[^"\\]|\\.)*"'
_SAID: Final = rf"{_TEXT} at [+-]\d+ s"
_REMARK: Final = re.compile(rf"(?:[^\s\"]+|{_TEXT}) note(?: \(the last of \d+\))?: {_SAID}(?:, {_SAID})*")
INVISIBLE: Final = "\u3164\ufe0f\u034f\u115f"


def assert_harmless(answer: dict[str, Any], request: Request | None) -> None:
    """Only what was asked about, by the rules of its task, in text that plays no tricks, of bounded size.

    Without a request it is an answer by code, which tells what is over.
    """
    assert len(json.dumps(answer)) <= MAX_ANSWER_BYTES
    if request is None:
        assert answer["status"] == "Normal"
        assert {finding["state"] for finding in answer["findings"]} == {"Cleared"}
    else:
        assert_only_what_was_asked_about(answer, request)
    for field, text in texts(answer):
        assert text.isprintable(), (field, text)
        assert len(text) <= MAX_TEXT_CHARS, (field, len(text))
        if field not in IDS:
            assert not set(text) & set(INVISIBLE), (field, text)
        if field in {"statement", "refused"}:
            assert not any(marker in text for marker in (*MARKERS, "<script")), text


def assert_only_what_was_asked_about(answer: dict[str, Any], request: Request) -> None:
    graph = request.subject
    evidence = {item.id: item for item in graph.evidence}
    nodes, edges = {node.id for node in graph.nodes}, {edge.id for edge in graph.edges}
    for finding in answer.get("findings", []):
        assert finding["kind"] == request.question.task
        assert len(finding.get("comment", "")) <= 120
        if finding["state"] == "Cleared":
            continue
        assert set(finding["nodeIds"]) <= nodes
        assert set(finding["evidenceIds"]) <= evidence.keys()
        assert set(finding.get("edgeIds", [])) <= edges
        assert finding["evidenceIds"], "a claim without evidence"
        about = {evidence[each].node for each in finding["evidenceIds"]}
        if finding["kind"] == "Anomaly":
            assert finding["nodeIds"][0] in about
        if finding["kind"] == "RootCause":
            assert finding["edgeIds"], "a cause without a path"
            assert len(about) >= 2
    assert not answer.get("inferredEdges")
    assert not answer.get("labels")


def assert_the_data_stays_data(request: Request) -> None:
    """No string opens a turn of a conversation, breaks out of its line or stands where a line of the prompt begins."""
    prompt = question(request, Detail.FULL)[1]["content"]
    for marker in MARKERS:
        assert marker not in prompt, marker
    assert all(letter.isprintable() or letter == "\n" for letter in prompt)
    assert not set(prompt) & set(INVISIBLE)
    graph = request.subject
    entities, window = prompt[prompt.index("Entities:\n") :].split("\n\n")
    assert len([line for line in entities.split("\n") if not line.startswith("Units: ")]) <= len(graph.nodes) + 1
    values, evidence = window.split("\nEvidence:\n")
    values, _, remarks = values.partition("\nRemarks, ")
    evidence, _, groups = evidence.partition("\nNo relations connect these: ")
    assert "\n" not in groups
    assert len(values.split("\n")) <= len(graph.nodes) + 1
    lines = remarks.split("\n")[1:]
    assert len(lines) == sum(len(node.remarks) for node in graph.nodes)
    assert all(map(_REMARK.fullmatch, lines)), remarks
    assert len(evidence.split("\n")) == len(graph.evidence)


def texts(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """All texts of a document with the field that they stand in, keys as well."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, list):
        for each in value:
            yield from texts(each, field)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name, name
            yield from texts(each, name)
