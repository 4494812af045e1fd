"""`edgeglm-download`: a model into a directory. What an init container runs; its end says how it went.

The token comes by the variable HF_TOKEN or MODELSCOPE_API_TOKEN, never by an argument, which everybody may read who
may see the pod.
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
from typing import Final

from edgeglm_api.download import LastMessage, Outcome, write_last_message
from edgeglm_operator.download import hub, modelscope
from edgeglm_operator.download.download import Means, Wish, download
from edgeglm_operator.download.errors import DownloadError
from edgeglm_operator.download.hub import Hub
from edgeglm_operator.download.modelscope import ModelScope
from edgeglm_operator.download.pace import Pace
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.web import Web

HUB_TOKEN: Final = "HF_TOKEN"  # noqa: S105 - the variable's name
MODELSCOPE_TOKEN: Final = "MODELSCOPE_API_TOKEN"  # noqa: S105 - as above

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
    wish = Wish(
        revision=_revision(options),
        cache=options.cache,
        link=options.link,
        until_percent=options.until,
        allowed_bytes=options.allowed_bytes,
    )
    try:
        return download(wish, _means(options))
    except DownloadError as error:
        return LastMessage(outcome=error.outcome, message=str(error))


def _means(options: argparse.Namespace) -> Means:
    patience = Patience(time.sleep)
    return Means(
        hub=_modelscope(options, patience) if _is_of_modelscope(options) else _hub(options, patience),
        pace=Pace(options.max_bytes_per_second, clock=time.monotonic, sleep=time.sleep),
        patience=patience,
        now=lambda: datetime.now(UTC),
    )


def _is_of_modelscope(options: argparse.Namespace) -> bool:
    is_it: bool = options.repository.startswith(modelscope.SCHEME)
    return is_it


def _revision(options: argparse.Namespace) -> str:
    default = modelscope.DEFAULT_REVISION if _is_of_modelscope(options) else hub.DEFAULT_REVISION
    return options.revision or default


def _hub(options: argparse.Namespace, patience: Patience) -> Hub:
    return Hub(
        web=Web(os.environ.get(HUB_TOKEN, ""), options.proxy),
        patience=patience,
        repository=options.repository,
        endpoint=(options.endpoint or hub.ENDPOINT).rstrip("/"),
    )


def _modelscope(options: argparse.Namespace, patience: Patience) -> ModelScope:
    return ModelScope(
        web=Web(os.environ.get(MODELSCOPE_TOKEN, ""), options.proxy, cookie=modelscope.COOKIE),
        patience=patience,
        repository=options.repository.removeprefix(modelscope.SCHEME),
        revision=_revision(options),
        endpoint=(options.endpoint or modelscope.ENDPOINT).rstrip("/"),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgeglm-download", description=__doc__)
    parser.add_argument("repository", metavar="[ms://]OWNER/NAME", help="the model on the hub, or on ModelScope")
    parser.add_argument("--revision", default="", help="branch, tag or commit (default: main, or master)")
    parser.add_argument("--endpoint", default="", help="the hub or a mirror of it")
    parser.add_argument("--proxy", default="", metavar="URL", help="an HTTP proxy on the way to it")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="where models are kept")
    parser.add_argument("--link", type=Path, required=True, metavar="PATH", help="a link to set to the model")
    parser.add_argument("--until", type=int, default=100, metavar="PERCENT", help="stop there; another goes on")
    parser.add_argument("--allowed-bytes", type=int, metavar="N", help="the largest model (default: what is free)")
    parser.add_argument("--max-bytes-per-second", type=int, metavar="N", help="the fastest pace (default: none)")
    parser.add_argument(
        "--tell", type=Path, default=Path("/dev/termination-log"), metavar="FILE", help="for the last message"
    )
    return parser


def _end(_signal: int, _frame: object) -> None:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
