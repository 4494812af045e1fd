"""A value that runs away is told before it is anywhere near a limit."""

from collections.abc import Sequence

import msgspec
import pytest

from edgeglm_agent.graph.detect import detect
from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.graph.pane import Pane
from edgeglm_agent.graph.sentence import sentence
from edgeglm_agent.graph.window import Window
from edgeglm_agent.reason.citation import severity_of
from edgeglm_api.sensor_graph import Limits

from .observations import SECOND, an_observation


def found(values: Sequence[float], *, rate: float | None) -> tuple[Evidence, ...]:
    pane = Pane()
    for second, value in enumerate(values):
        said = an_observation(value, at=100.0 + second)
        readings = tuple(msgspec.structs.replace(each, limits=Limits(rate=rate)) for each in said.readings)
        pane.add(msgspec.structs.replace(said, readings=readings))
    return detect(Window("l1", 100 * SECOND, 110 * SECOND, pane), {}, {"rms": "mm/s"})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1, 2, 3, 4], "m1 rms rises by 1 mm/s a second, more than 0.5"),
        ([4, 3, 2, 1], "m1 rms falls by 1 mm/s a second, more than 0.5"),
    ],
)
def test_what_changes_too_fast_is_told_up_and_down(values: list[float], words: str) -> None:
    (item,) = found(values, rate=0.5)
    assert (item.kind, sentence(item)) == ("Rate", words)
    assert severity_of([item]) == "Warning"


@pytest.mark.parametrize("values", [[1, 1.4, 1.8], [1, 5, 1, 5, 1], [9]])
def test_what_is_slow_or_only_shakes_is_not(values: list[float]) -> None:
    assert found(values, rate=0.5) == ()


def test_without_a_rate_nothing_is_too_fast() -> None:
    assert found([1, 50], rate=None) == ()
