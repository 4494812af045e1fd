"""`edgeglm-agent dead`: what could not be used, and driving it again once the rules are mended."""

import argparse
import sys
from pathlib import Path

from edgeglm_agent.control.client import NoAgent, ask_agent
from edgeglm_agent.control.dead_letters import DeadOutcome, DeadQuestion
from edgeglm_agent.control.plain import plain
from edgeglm_agent.moment import rfc3339
from edgeglm_agent.spool.dead_letters import DeadLetter

EXIT_NOT_ALL = 1
EXIT_NO_AGENT = 2


def add_dead_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and what belongs to it."""
    parser = commands.add_parser("dead", help="messages that could not be used: list, show, drive again")
    verbs = parser.add_subparsers(dest="verb", required=True)
    lists = verbs.add_parser("ls", help="list them, oldest first")
    lists.add_argument("--limit", type=int, default=100, help="how many at most; default: 100")
    shows = verbs.add_parser("show", help="show one with its payload")
    shows.add_argument("seq", type=int, help="its number, as `dead ls` shows it")
    drives = verbs.add_parser("redrive", help="let them go through the same path again")
    drives.add_argument("seqs", type=int, nargs="*", metavar="seq", help="their numbers")
    drives.add_argument("--all", action="store_true", help="all that --graph and --reason choose")
    for verb in (lists, drives):
        verb.add_argument("--graph", default="", help="of this graph only")
        verb.add_argument("--reason", default="", help="of this reason only")
    for verb in (lists, shows, drives):
        verb.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data directory of the agent")


def dead(options: argparse.Namespace) -> int:
    """Run the command; the exit status is the return value."""
    try:
        return {"ls": _list, "show": _show, "redrive": _redrive}[options.verb](options)
    except NoAgent as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_NO_AGENT


def _list(options: argparse.Namespace) -> int:
    question = DeadQuestion(graph=options.graph, reason=options.reason, limit=options.limit)
    for letter in ask_agent(options.data, "/dead-letters", question, list[DeadLetter]):
        message = letter.message
        where = f"{letter.graph}/{letter.source}" if letter.source else "-"
        sys.stdout.write(
            f"{letter.seq}\t{rfc3339(message.arrived_ns)}\t{letter.reason}\t{where}\t{message.size}\t{plain(message.topic)}\n"
        )
    return 0


def _show(options: argparse.Namespace) -> int:
    letters = ask_agent(options.data, "/dead-letters", DeadQuestion(seqs=(options.seq,)), list[DeadLetter])
    if not letters:
        sys.stderr.write(f"there is no dead letter {options.seq}; it was driven again, or forgotten for newer ones\n")
        return EXIT_NOT_ALL
    (letter,) = letters
    message = letter.message
    for name, value in (
        ("reason", letter.reason),
        ("graph", letter.graph),
        ("source", letter.source),
        ("broker", message.broker),
        ("topic", plain(message.topic)),
        ("arrived", rfc3339(message.arrived_ns)),
        ("size", f"{message.size} bytes" if letter.whole else f"{message.size} bytes, of which these were kept"),
    ):
        sys.stdout.write(f"{name:8}{value}\n")
    sys.stdout.write(f"\n{plain(message.payload.decode('utf-8', 'backslashreplace'))}\n")
    return 0


def _redrive(options: argparse.Namespace) -> int:
    if bool(options.seqs) == options.all:
        sys.stderr.write("name some by their numbers, or say --all\n")
        return EXIT_NO_AGENT
    question = DeadQuestion(seqs=tuple(options.seqs), graph=options.graph, reason=options.reason)
    outcome = ask_agent(options.data, "/dead-letters/redrive", question, DeadOutcome)
    sys.stdout.write(f"{outcome.redriven} went again\n")
    if outcome.cut:
        numbers = ", ".join(str(seq) for seq in outcome.cut)
        sys.stdout.write(f"cannot go again, since only their beginning was kept: {numbers}\n")
    if not outcome.all_went:
        sys.stderr.write("the spool does not take more now; see `blocked` in the agent's status\n")
    return 0 if outcome.all_went and not outcome.cut else EXIT_NOT_ALL
