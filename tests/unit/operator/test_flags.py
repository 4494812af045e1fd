"""However a flag is spelled: what vLLM would take for a flag that a field owns is refused."""

import argparse
from pathlib import Path
from typing import NoReturn

from hypothesis import given
from hypothesis import strategies as st

from edgeglm_operator.reconcile.accept import accept
from edgeglm_operator.resources.flags import OWNED_FLAGS
from tests.unit.operator.builders import an_inference_service

KNOWN_FLAGS = tuple(Path(__file__).with_name("vllm-0.32-flags.txt").read_text(encoding="utf-8").split())
SHORT_OPTIONS = ("-q", "-n", "-r", "-pp", "-tp", "-dp", "-ep", "-cc", "-ac", "-sc", "-O3")


class Ambiguous(Exception):  # noqa: N818 - it names the argument
    """It could be several flags, so vLLM refuses it."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Ambiguous(message)


def parser() -> argparse.ArgumentParser:
    """Python's own, with vLLM's flags; tests/engine holds it against vLLM's."""
    found = _Parser(add_help=False)
    for flag in KNOWN_FLAGS:
        found.add_argument(flag, dest=flag, nargs="?", const="")
    return found


PARSER = parser()


def taken_for(argument: str) -> str | None:
    """The flag that vLLM takes an argument for: underscores up to the first dot are dashes, then argparse's rules."""
    name, _, _ = argument.partition("=")[0].partition(".")
    try:
        found, _ = PARSER.parse_known_args(["--" + name.removeprefix("--").replace("_", "-")])
    except Ambiguous:
        return None
    return next((flag for flag, value in vars(found).items() if value is not None), None)


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """A flag of vLLM: shortened, with underscores, with the key of a part, with a value."""
    flag = draw(st.sampled_from(KNOWN_FLAGS))
    name = flag[: draw(st.integers(3, len(flag)))]
    swapped = "".join(draw(st.sampled_from("-_")) if letter == "-" else letter for letter in name[3:])
    return name[:3] + swapped + draw(st.sampled_from(("", ".key", ".a.b"))) + draw(st.sampled_from(("", "=", "=x.y")))


@given(spellings())
def test_a_flag_that_a_field_owns_is_refused_in_every_spelling(argument: str) -> None:
    taken = taken_for(argument)
    refused = accept(an_inference_service(engine={"extraArgs": [argument]}))
    if taken is not None and taken.replace("--no-", "--") in OWNED_FLAGS:
        assert refused is not None
        assert refused.reason == "ReservedFlag"


@given(spellings())
def test_a_free_flag_in_full_is_never_refused(argument: str) -> None:
    whole = argument.partition("=")[0].partition(".")[0].replace("_", "-")
    if whole in KNOWN_FLAGS and whole.replace("--no-", "--") not in OWNED_FLAGS:
        assert accept(an_inference_service(engine={"extraArgs": [argument]})) is None


@given(st.sampled_from(SHORT_OPTIONS), st.text(max_size=5))
def test_a_short_option_is_refused_whatever_follows(option: str, value: str) -> None:
    refused = accept(an_inference_service(engine={"extraArgs": [option + value]}))
    assert refused is not None
    assert "short option" in refused.message
