"""The composition root: the commands of `edgeglm-agent`."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeglm_agent.agent import Agent
from edgeglm_agent.clock import system_clock
from edgeglm_agent.config.directory import DirectorySource, read_directory
from edgeglm_agent.config.https import Https, check_url
from edgeglm_agent.config.https_source import HttpsSource
from edgeglm_agent.config.problem import BadSetup, BundleRejected
from edgeglm_agent.config.source import Source
from edgeglm_agent.config.trust import Trust, load_trust
from edgeglm_agent.config.verify import verify
from edgeglm_agent.control.dead_cli import add_dead_parser, dead
from edgeglm_agent.control.findings_cli import add_findings_parser, findings
from edgeglm_agent.health.json_log import log_json
from edgeglm_agent.health.server import DEFAULT_LISTEN
from edgeglm_agent.rehearse.cli import add_rehearsal_parsers, record, replay
from edgeglm_agent.spool.ledger import LedgerTooNew
from edgeglm_agent.spool.spool import SpoolInUse

EXIT_BAD_INPUT = 2

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
        verified = verify(read_directory(folder), _trust(options))
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
    return 0


def run(options: argparse.Namespace) -> int:
    """Run the agent until SIGTERM or SIGINT."""
    log_json(options.log_level)
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
    await Agent(_source(options), options.data, system_clock, _trust(options)).run(options.listen, stop)


def _source(options: argparse.Namespace) -> Source:
    if "://" not in options.bundle:
        return DirectorySource(Path(options.bundle))
    https = Https(options.bundle_ca)
    return HttpsSource(check_url(options.bundle), https, poll_seconds=options.bundle_poll_seconds)


def _trust(options: argparse.Namespace) -> Trust:
    return load_trust(options.trusted_keys) if options.trusted_keys else Trust()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgeglm-agent", description="The edge agent of edgeglm.")
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="run until stopped")
    runs.add_argument(
        "--bundle",
        required=True,
        metavar="DIR|URL",
        help="where bundle.json and sha256 lie, or https://… of a packed bundle",
    )
    runs.add_argument("--bundle-ca", type=Path, metavar="FILE", help="whom to trust for URL; default: the machine's")
    runs.add_argument(
        "--bundle-poll-seconds", type=_poll_seconds, default=60, metavar="N", help="for URL; default: %(default)s"
    )
    runs.add_argument("--data", type=Path, required=True, metavar="DIR", help="the spool; on a local disk that stays")
    runs.add_argument(
        "--listen",
        type=_address,
        default=_address(DEFAULT_LISTEN),
        metavar="HOST:PORT",
        help="probes, status and metrics",
    )
    runs.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    checks = commands.add_parser("check", help="verify a bundle, and say what is wrong with it")
    checks.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="where bundle.json and sha256 lie")
    for each in (runs, checks):
        each.add_argument(
            "--trusted-keys",
            type=Path,
            metavar="FILE",
            help="ed25519 public keys in PEM; a bundle that none of them signed is refused",
        )
    add_dead_parser(commands)
    add_findings_parser(commands)
    add_rehearsal_parsers(commands)
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, like {DEFAULT_LISTEN}")
    return host.strip("[]"), int(port)


def _poll_seconds(text: str) -> int:
    if not text.isdecimal() or not 5 <= int(text) <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not within 5 and 86400")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
