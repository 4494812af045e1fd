"""The composition root: the commands of `edgeglm-agent`."""

import argparse
import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from edgeglm_agent.agent import Agent
from edgeglm_agent.clock import SteadyClock
from edgeglm_agent.config.directory import read_directory
from edgeglm_agent.config.options import (
    add_pin_options,
    add_source_options,
    add_trust_option,
    pins_from,
    source_from,
    trust_from,
)
from edgeglm_agent.config.problem import BadSetup, BundleRejected
from edgeglm_agent.config.verify import verify
from edgeglm_agent.control.dead_cli import add_dead_parser, dead
from edgeglm_agent.control.findings_cli import add_findings_parser, findings
from edgeglm_agent.health.json_log import log_json
from edgeglm_agent.health.server import DEFAULT_LISTEN
from edgeglm_agent.mqtt.receiver import CLIENTS, DEFAULT_RECEIVE
from edgeglm_agent.rehearse.cli import add_rehearsal_parsers, record, replay
from edgeglm_agent.report.options import add_report_options, sender_from
from edgeglm_agent.spool.ledger import LedgerTooNew
from edgeglm_agent.spool.spool import SpoolInUse

EXIT_BAD_INPUT: Final = 2
COLLECT_AFTER: Final = 10_000
"""New objects until the garbage collector looks through the young ones. With Python's 700 it looked so often, and at so
much that stays, that it took a twentieth of all processor time; nearly nothing of ours is in a cycle."""

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is the return value."""
    options = _parser().parse_args(arguments)
    commands = {"run": run, "check": check, "dead": dead, "findings": findings, "record": record, "replay": replay}
    return commands[options.command](options)


def check(options: argparse.Namespace) -> int:
    """Verify a bundle and say what is wrong with it."""
    folder = options.bundle
    try:
        verified = verify(read_directory(folder), trust_from(options))
        refused = pins_from(options).admit(verified.bundle).refused
    except BadSetup as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BAD_INPUT
    except BundleRejected as rejection:
        for problem in rejection.problems:
            sys.stderr.write(f"{problem}\n")
        sys.stderr.write(f"{folder}: {rejection.verdict}\n")
        return EXIT_BAD_INPUT
    bundle = verified.bundle
    signed = f", signed by {verified.signer}" if verified.signer else ""
    sys.stdout.write(
        f"{folder}: good. site {bundle.namespace}/{bundle.site}, generation {bundle.generation},"
        f" {len(bundle.graphs)} graphs, {len(bundle.endpoints)} endpoints, sha256 {verified.sha256}{signed}\n"
    )
    for each in refused:
        sys.stderr.write(f"graph {each.graph} would not run here: {each.message}\n")
    return EXIT_BAD_INPUT if refused else 0


def run(options: argparse.Namespace) -> int:
    """Run the agent until SIGTERM or SIGINT."""
    log_json(options.log_level)
    gc.freeze()  # what is loaded by now stays
    gc.set_threshold(COLLECT_AFTER)
    status = 0
    try:
        asyncio.run(_run(options))
    except* (SpoolInUse, LedgerTooNew, BadSetup) as group:
        status = EXIT_BAD_INPUT
        for error in _leaves(group):
            log.error("%s", error)  # noqa: TRY400 - the sentence says it all
    return status


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


async def _run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await _agent(options).run(options.listen, stop)


def _agent(options: argparse.Namespace) -> Agent:
    source, trust, pins = source_from(options), trust_from(options), pins_from(options)
    sender = sender_from(options)
    return Agent(source, options.data, SteadyClock(), trust=trust, pins=pins, receive=options.receive, sender=sender)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgeglm-agent", description="The edge agent of edgeglm.")
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="run until stopped")
    add_source_options(runs)
    runs.add_argument("--data", type=Path, required=True, metavar="DIR", help="the spool; on a local disk that stays")
    runs.add_argument(
        "--listen",
        type=_address,
        default=_address(DEFAULT_LISTEN),
        metavar="HOST:PORT",
        help="probes, status and metrics",
    )
    runs.add_argument(
        "--receive",
        default=DEFAULT_RECEIVE,
        choices=list(CLIENTS),
        help="how messages are taken from a broker: one by one, or in batches, which is faster; default: %(default)s",
    )
    add_report_options(runs)
    runs.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    checks = commands.add_parser("check", help="verify a bundle, and say what is wrong with it")
    checks.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="where bundle.json and sha256 lie")
    for each in (runs, checks):
        add_trust_option(each)
        add_pin_options(each)
    add_dead_parser(commands)
    add_findings_parser(commands)
    add_rehearsal_parsers(commands)
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, like {DEFAULT_LISTEN}")
    return host.strip("[]"), int(port)


if __name__ == "__main__":
    sys.exit(main())
