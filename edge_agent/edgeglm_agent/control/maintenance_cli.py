"""`edgeglm-agent findings maintenance`: people are at work, so findings are noted and not told."""

import argparse
import sys
from datetime import UTC, datetime

from edgeglm_agent.control.arguments import at_most, hours
from edgeglm_agent.control.client import ask_agent
from edgeglm_agent.control.maintenance import Maintained, MaintenanceQuestion, ShownMaintenance
from edgeglm_agent.control.plain import plain
from edgeglm_agent.findings.maintenance import MAX_SECONDS
from edgeglm_agent.findings.say import MAX_PARTITION_CHARS, Beginning, Ending
from edgeglm_agent.findings.word import MAX_BY_CHARS, MAX_NOTE_CHARS
from edgeglm_agent.moment import NANOS_PER_SECOND

EXIT_NOT_DONE = 1


def add_maintenance_parser(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> list[argparse.ArgumentParser]:
    """Add the verb, and return the parsers of what belongs to it."""
    steps = verbs.add_parser(
        "maintenance", help="findings of a graph are noted and not told while people are at work"
    ).add_subparsers(dest="step", required=True)
    lists = steps.add_parser("ls", help="list the spans, those that are over as well")
    begins = steps.add_parser("begin", help="begin one, or say that one will begin")
    begins.add_argument("--graph", required=True, help="the graph's name")
    begins.add_argument("--partition", type=at_most(MAX_PARTITION_CHARS), default="", help="of it; default: all")
    begins.add_argument("--hours", type=hours(MAX_SECONDS), default=1.0, help="for how long; default: 1")
    begins.add_argument("--from", type=_moment, default=0, dest="from_ns", help="2026-12-01T08:00:00Z; default: now")
    begins.add_argument("--by", type=at_most(MAX_BY_CHARS), required=True, help="who says it")
    begins.add_argument("--note", type=at_most(MAX_NOTE_CHARS), default="", help="why, for others")
    ends = steps.add_parser("end", help="end one now")
    ends.add_argument("id", help="as `ls` shows it")
    return [lists, begins, ends]


def maintenance(options: argparse.Namespace) -> int:
    """Run the command; the exit status is the return value. Raises NoAgent."""
    if options.step == "ls":
        for span in ask_agent(options.data, "/maintenance", {}, list[ShownMaintenance]):
            sys.stdout.write(f"{_line(span)}\n")
        return 0
    if options.step == "end":
        return _told(ask_agent(options.data, "/maintenance/end", Ending(options.id), Maintained))
    seconds = round(options.hours * 3600)
    beginning = Beginning(options.by, options.note, options.partition, seconds, options.from_ns)
    question = MaintenanceQuestion(options.graph, beginning)
    return _told(ask_agent(options.data, "/maintenance/begin", question, Maintained))


def _told(done: Maintained) -> int:
    if done.span is None:
        sys.stderr.write(f"{plain(done.problem)}\n")
        return EXIT_NOT_DONE
    sys.stdout.write(f"{_line(done.span)}\n")
    return 0


def _line(span: ShownMaintenance) -> str:
    where = f"{span.graph}/{span.partition or '*'}"
    said = f"by {span.by}" + (f": {span.note}" if span.note else "")
    return "\t".join(plain(each) for each in (span.id, span.state, where, span.begins, span.ends, said))


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment; write 2026-12-01T08:00:00Z") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone; end it with Z, or with +01:00")
    return round(moment.astimezone(UTC).timestamp()) * NANOS_PER_SECOND
