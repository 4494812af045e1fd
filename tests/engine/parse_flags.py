"""parse_flags.py: what vLLM makes of arguments. Run by the engine's Python; no model is loaded.

Standard input: JSON {"argvs": [[...], ...], "spellings": [...]}. The last line of the output is JSON: what is wrong in
each argv, or null; all options by the setting that they set; each spelling's option, or null.
"""

import argparse
import contextlib
import io
import json
import sys
from typing import Any

from vllm.entrypoints.cli.serve import ServeSubcommand  # type: ignore[import-not-found]
from vllm.utils.argparse_utils import FlexibleArgumentParser  # type: ignore[import-not-found]


def main() -> None:
    """Answer one question."""
    question = json.load(sys.stdin)
    command = ServeSubcommand()
    parser = FlexibleArgumentParser(prog="vllm")
    serve = command.subparser_init(parser.add_subparsers(required=True, dest="subparser"))
    answer = {
        "faults": [fault(parser, command, argv) for argv in question["argvs"]],
        "options": {action.dest: action.option_strings for action in serve._actions},
        "taken": {spelling: option(serve, spelling) for spelling in question["spellings"]},
    }
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


def fault(parser: Any, command: Any, argv: list[str]) -> str | None:
    """What vLLM says against the arguments of `vllm serve`."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            command.validate(parser.parse_args(["serve", *argv]))
    except SystemExit:
        return said.getvalue()
    except (TypeError, ValueError, argparse.ArgumentError) as error:
        return str(error)
    return None


def option(parser: argparse.ArgumentParser, spelling: str) -> str | None:
    """The option that argparse takes a spelling for."""
    found = {action.option_strings[0] for action, *_ in parser._get_option_tuples(spelling)}
    exact = parser._option_string_actions.get(spelling)
    return exact.option_strings[0] if exact else found.pop() if len(found) == 1 else None


if __name__ == "__main__":
    main()
