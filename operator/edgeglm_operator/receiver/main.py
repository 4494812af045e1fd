"""The receiver's process: joins the parts, runs them, ends them on SIGTERM."""

import argparse
import asyncio
import logging
import signal
import ssl
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edgeglm_operator.kube.connection import connect
from edgeglm_operator.kube.rest import RestClient
from edgeglm_operator.obs.health import HealthServer
from edgeglm_operator.obs.logs import configure_logs
from edgeglm_operator.receiver.caller import Keys
from edgeglm_operator.receiver.desk import Desk
from edgeglm_operator.receiver.memory import Memory
from edgeglm_operator.receiver.metrics import Metrics
from edgeglm_operator.receiver.server import Server
from edgeglm_operator.receiver.tls import Certificate
from edgeglm_operator.report_files import BadReporting, read_report_key

EXIT_BAD_INPUT: Final = 2

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `edgeglm-receiver`."""
    options = _parser().parse_args(arguments)
    configure_logs(options.log_level)
    try:
        certificate = Certificate(options.tls_cert, options.tls_key)
        keys = Keys(read_report_key(options.report_key), oldest_epoch=options.oldest_epoch)
        asyncio.run(run(options, certificate, keys))
    except (BadReporting, OSError, ssl.SSLError) as error:
        log.error("the receiver cannot begin: %s", error)  # noqa: TRY400 - the sentence says it all
        return EXIT_BAD_INPUT
    return 0


async def run(options: argparse.Namespace, certificate: Certificate, keys: Keys) -> None:
    """Until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    memory = Memory()
    metrics = Metrics(memory.__len__)
    async with RestClient(await connect(options.kubeconfig)) as client:
        health = HealthServer(metrics, alive=(), ready=())
        server = Server(Desk(client, time.time), memory, keys, metrics, time.time)
        try:
            host, port = options.listen
            await server.start(host, port, certificate.context)
            await health.start(*options.health_listen)
            log.info("taking reports at %s:%d", host, port)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(certificate.follow(), name="certificate"),
                    group.create_task(server.follow(), name="connections"),
                ]
                await stop.wait()
                for task in tasks:
                    task.cancel()
        finally:
            await server.stop()
            await health.stop()


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="edgeglm-receiver", description="Takes the reports of sites.")
    made.add_argument("--listen", type=_address, default=("0.0.0.0", 8443), metavar="HOST:PORT")  # noqa: S104 - a pod
    made.add_argument(
        "--health-listen",
        type=_address,
        default=("0.0.0.0", 8080),  # noqa: S104 - a pod
        metavar="HOST:PORT",
        help="probes and metrics, without TLS",
    )
    made.add_argument("--tls-cert", type=Path, required=True, metavar="FILE")
    made.add_argument("--tls-key", type=Path, required=True, metavar="FILE")
    made.add_argument(
        "--report-key", type=Path, required=True, metavar="FILE", help="what tokens are made with; the operator's own"
    )
    made.add_argument("--oldest-epoch", type=int, default=1, metavar="N", help="older tokens are refused")
    made.add_argument("--kubeconfig", type=Path, help="default: the pod's service account")
    made.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    return made


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
