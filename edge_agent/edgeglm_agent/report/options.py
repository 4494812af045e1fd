"""What the command line says of reports: where they go, and with what."""

import argparse
from pathlib import Path

from edgeglm_agent.config.https import check_url
from edgeglm_agent.config.problem import BadSetup
from edgeglm_agent.report.sender import Sender


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Add what `sender_from` reads."""
    parser.add_argument("--report-url", metavar="URL", help="https://… of this site at the receiver; default: none")
    parser.add_argument("--report-token", type=Path, metavar="FILE", help="what proves to the receiver who reports")
    parser.add_argument("--report-ca", type=Path, metavar="FILE", help="whom to trust for it; default: the machine's")


def sender_from(options: argparse.Namespace) -> Sender | None:
    """Return the way of reports; None when there are to be none. Raises BadSetup."""
    if not options.report_url:
        return None
    if options.report_token is None:
        raise BadSetup("--report-url needs --report-token: the receiver takes reports of known sites only")
    return Sender(check_url(options.report_url), options.report_token, options.report_ca)
