"""`edgeglm-agent findings`: what goes on at the site; saying that one knows of it, or not to hear of it for a while."""

import argparse
import sys
from pathlib import Path

from edgeglm_agent.control.arguments import at_most, hours
from edgeglm_agent.control.client import NoAgent, ask_agent
from edgeglm_agent.control.findings import FindingsQuestion, Heeded, ShownFinding
from edgeglm_agent.control.maintenance_cli import add_maintenance_parser, maintenance
from edgeglm_agent.control.plain import plain
from edgeglm_agent.findings.say import Saying
from edgeglm_agent.findings.word import MAX_BY_CHARS, MAX_NOTE_CHARS, MAX_SHELVED_SECONDS

EXIT_NOT_THERE = 1
EXIT_NO_AGENT = 2
_MAX_HOURS = MAX_SHELVED_SECONDS // 3600


def add_findings_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and what belongs to it."""
    parser = commands.add_parser("findings", help="what goes on: list, acknowledge, shelve, maintenance")
    verbs = parser.add_subparsers(dest="verb", required=True)
    lists = verbs.add_parser("ls", help="list them, oldest first")
    lists.add_argument("--graph", default="", help="of this graph only")
    acks = verbs.add_parser("ack", help="say that you know of it: no reminders until it is over or gets worse")
    shelves = verbs.add_parser("shelve", help="hear nothing of it for a while, unless it gets worse")
    shelves.add_argument(
        "--hours", type=hours(MAX_SHELVED_SECONDS), default=8.0, help=f"for how long, at most {_MAX_HOURS}; default: 8"
    )
    unshelves = verbs.add_parser("unshelve", help="hear of it again")
    for verb in (acks, shelves, unshelves):
        verb.add_argument("id", help="as `findings ls` shows it, and each answer")
        verb.add_argument("--by", type=at_most(MAX_BY_CHARS), required=True, help="who says it")
        verb.add_argument("--note", type=at_most(MAX_NOTE_CHARS), default="", help="why, for others")
    for verb in (lists, acks, shelves, unshelves, *add_maintenance_parser(verbs)):
        verb.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data directory of the agent")


def findings(options: argparse.Namespace) -> int:
    """Run the command; the exit status is the return value."""
    try:
        return _VERBS[options.verb](options)
    except NoAgent as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_NO_AGENT


def _list(options: argparse.Namespace) -> int:
    for found in ask_agent(options.data, "/findings", FindingsQuestion(options.graph), list[ShownFinding]):
        sys.stdout.write(f"{_line(found)}\n")
    return 0


def _ack(options: argparse.Namespace) -> int:
    return _say(options, Saying(options.id, "Acknowledged", options.by, options.note))


def _shelve(options: argparse.Namespace) -> int:
    seconds = round(options.hours * 3600)
    return _say(options, Saying(options.id, "Shelved", options.by, options.note, seconds))


def _unshelve(options: argparse.Namespace) -> int:
    return _say(options, Saying(options.id, "Unshelved", options.by, options.note))


def _say(options: argparse.Namespace, saying: Saying) -> int:
    heeded = ask_agent(options.data, "/findings/say", saying, Heeded)
    if heeded.finding is None:
        sys.stderr.write(f"there is no finding {plain(options.id)} that goes on; `findings ls` shows those there are\n")
        return EXIT_NOT_THERE
    sys.stdout.write(f"{_line(heeded.finding)}\n")
    return 0


def _line(found: ShownFinding) -> str:
    said = f"by {found.by}" if found.by else ""
    said += f" until {found.until}" if found.until else ""
    said += f": {found.note}" if found.note else ""
    where = f"{found.graph}/{found.partition}"
    columns = (found.id, found.state, found.severity, where, found.opened, found.statement, said)
    return "\t".join(plain(each) for each in columns)


_VERBS = {"ls": _list, "ack": _ack, "shelve": _shelve, "unshelve": _unshelve, "maintenance": maintenance}
