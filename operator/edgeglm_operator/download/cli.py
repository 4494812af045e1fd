"""`edgeglm-download`: a model into a directory. What an init container runs; its end says how it went.

What opens the source comes by variables (HF_TOKEN, AWS_ACCESS_KEY_ID, OCI_PASSWORD and their kin), never by an
argument, which everybody may read who may see the pod.
"""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edgeglm_api.download import LastMessage, Outcome, write_last_message
from edgeglm_api.time_window import TimeWindow, is_known
from edgeglm_operator.download.download import Means, Wish, download
from edgeglm_operator.download.errors import DownloadError
from edgeglm_operator.download.hours import Hours
from edgeglm_operator.download.pace import Pace
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.sources import Wanted, source_of

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the model is there as far as was asked, 1 when not."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    # The first process of a container has no default for it, and would be waited for until it is killed.
    signal.signal(signal.SIGTERM, _end)
    said = _outcome(options)
    text = write_last_message(said)
    log.info("%s", text.decode())
    options.tell.write_bytes(text)
    return 0 if said.outcome in {Outcome.WHOLE, Outcome.DOWNLOADING} else 1


def _outcome(options: argparse.Namespace) -> LastMessage:
    means = _means(options)
    wish = Wish(
        revision=options.revision or means.source.default_revision,
        cache=options.cache,
        link=options.link,
        until_percent=options.until,
        allowed_bytes=options.allowed_bytes,
    )
    try:
        return download(wish, means)
    except DownloadError as error:
        return LastMessage(outcome=error.outcome, message=str(error))


def _means(options: argparse.Namespace) -> Means:
    patience = Patience(time.sleep)
    return Means(
        source=source_of(_wanted(options), os.environ, patience),
        pace=Pace(options.max_bytes_per_second, clock=time.monotonic, sleep=time.sleep),
        patience=patience,
        now=_now,
        hours=Hours(options.window, now=_now, sleep=time.sleep),
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _window(text: str) -> TimeWindow:
    try:
        window = msgspec.json.decode(text, type=TimeWindow)
    except msgspec.DecodeError as error:
        raise argparse.ArgumentTypeError(f"{text} is no window: {error}") from error
    if not is_known(window.time_zone):
        raise argparse.ArgumentTypeError(f"the time zone {window.time_zone} is not known")
    return window


def _wanted(options: argparse.Namespace) -> Wanted:
    return Wanted(model=options.repository, revision=options.revision, endpoint=options.endpoint, proxy=options.proxy)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgeglm-download", description=__doc__)
    parser.add_argument(
        "repository", metavar="MODEL", help="OWNER/NAME on the hub, ms://OWNER/NAME, or s3://BUCKET/PREFIX"
    )
    parser.add_argument("--revision", default="", help="branch, tag or commit (default: main, or master)")
    parser.add_argument("--endpoint", default="", help="the hub or a mirror of it, or the store")
    parser.add_argument("--proxy", default="", metavar="URL", help="an HTTP proxy on the way to it")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="where models are kept")
    parser.add_argument("--link", type=Path, required=True, metavar="PATH", help="a link to set to the model")
    parser.add_argument("--until", type=int, default=100, metavar="PERCENT", help="stop there; another goes on")
    parser.add_argument("--allowed-bytes", type=int, metavar="N", help="the largest model (default: what is free)")
    parser.add_argument("--max-bytes-per-second", type=int, metavar="N", help="the fastest pace (default: none)")
    parser.add_argument("--window", type=_window, metavar="JSON", help="when it may go (default: at any time)")
    parser.add_argument(
        "--tell", type=Path, default=Path("/dev/termination-log"), metavar="FILE", help="for the last message"
    )
    return parser


def _end(_signal: int, _frame: object) -> None:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
