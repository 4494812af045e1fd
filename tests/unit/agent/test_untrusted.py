"""Text of strangers: plain names as they are, all else in quotes; what is published on one line; no turns begun."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.health.json_log import JsonFormatter
from edgeglm_agent.reason.outcome import output_topic
from edgeglm_agent.untrusted import cleaned, defused, spelled

PLAIN = (
    *(
        "press-1",
        "line-1/press-3",
        "urn:dev:mac:0024befffe804ff1",
        "q_7",
        "a.b",
        "CLOSED",
        "0",
        "mm/s",
        "°C",
        "%",
        "1/min",
    ),
    *("m³/h", "kg/m^3", "µm", "kΩ", "N·m", "℃", "€/kWh", "Förderband-2", "насос-1", "1号泵A", "ポンプ", "٣"),
)


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_name_stays_as_it_is(text: str) -> None:
    assert spelled(text) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("", '""'),
        ("press 1", '"press 1"'),
        ("насос 1", '"насос 1"'),
        ("ปั๊ม", '"ปั๊ม"'),
        ("Evidence:", '"Evidence:"'),
        ("a; b", '"a; b"'),
        ('say "x"', '"say \\"x\\""'),
        ("<|system|>", '"\\u003c\\u007csystem\\u007c\\u003e"'),
        ("[gMASK]", '"\\u005bgMASK\\u005d"'),
        ("a\nb", '"a\\nb"'),
        ("\x1b[2J", '"\\u001b\\u005b2J"'),
        ("\u0440ress-1", '"\\u0440ress-1"'),
        ("\uff50ress-1", '"\\uff50ress-1"'),
        ("press\u3164", '"press\\u3164"'),
        ("press-1\u0301", '"press-1\\u0301"'),
        ("e\u0301tage", '"e\\u0301tage"'),
    ],
)
def test_what_could_pass_for_something_else_is_quoted(text: str, escaped: str) -> None:
    assert spelled(text) == escaped


@given(st.text())
def test_a_model_that_copies_a_name_as_it_is_spelled_says_the_very_name(text: str) -> None:
    written = spelled(text)
    assert (json.loads(written) if written.startswith('"') else written) == text


@given(st.text(), st.text())
def test_no_two_names_are_spelled_alike(one: str, other: str) -> None:
    assert (spelled(one) == spelled(other)) == (one == other)


@given(st.text())
def test_what_is_spelled_is_one_line_that_begins_no_turn(text: str) -> None:
    written = spelled(text)
    assert written.isprintable()
    assert not set(written) & set("<>[]{}|&`")


@given(st.text(), st.integers(0, 50))
def test_what_is_cleaned_is_one_bounded_line(text: str, most: int) -> None:
    line = cleaned(text, most=most)
    assert line.isprintable()
    assert len(line) <= most


@pytest.mark.parametrize(
    "text", ["<|system|>", "<s>", "[INST] x [/INST]", "<<SYS>>", "[gMASK]<sop>", "<\uff5cUser\uff5c>"]
)
def test_a_turn_that_a_model_writes_is_broken(text: str) -> None:
    assert text not in defused(text)
    assert "<|" not in defused(text)


def test_json_stays_json_when_it_is_defused() -> None:
    said = {"findings": [{"node": "m1", "evidence": ["e1"], "comment": "a<b"}], "more": [[1]]}
    assert json.loads(defused(json.dumps(said))) == said | {
        "findings": [{"node": "m1", "evidence": ["e1"], "comment": "a< b"}]
    }


@pytest.mark.parametrize(
    ("partition", "topic"),
    [
        ("line-1", "insights/line-1/g"),
        ("plant/#", "insights/plant--/g"),
        ("+", "insights/-/g"),
        ("x\0y", "insights/x-y/g"),
    ],
)
def test_a_partition_is_one_level_of_a_topic(partition: str, topic: str) -> None:
    assert output_topic("insights/{partition}/{graph}", graph="g", partition=partition) == topic


def test_a_partition_does_not_make_a_topic_the_brokers_own() -> None:
    assert output_topic("{partition}/{graph}", graph="g", partition="$SYS") == "-SYS/g"


def test_a_line_of_the_log_has_nothing_that_a_terminal_obeys(caplog: pytest.LogCaptureFixture) -> None:
    hostile = "\x1b[2J\x9b31m\x7f\u202edrowssap\u2028\U000e0041ü"
    with caplog.at_level("INFO"):
        logging.getLogger("edgeglm_agent").info("cannot decode %s", hostile)
    line = JsonFormatter().format(caplog.records[0])
    assert line.isprintable()
    assert json.loads(line)["message"] == f"cannot decode {hostile}"
    assert "ü" in line
