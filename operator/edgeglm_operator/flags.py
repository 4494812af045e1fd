"""The flags of `edgeglm-operator`, and the settings that they make."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from edgeglm_operator.discovery import LOOK_SECONDS
from edgeglm_operator.max_unavailable import max_unavailable_of
from edgeglm_operator.report_files import BadReporting, read_report_ca, read_report_key
from edgeglm_operator.resync import INTERVAL_SECONDS
from edgeglm_operator.settings import Reporting, Settings
from edgeglm_operator.shard import shard_of

T = TypeVar("T")


def parser() -> argparse.ArgumentParser:
    """All flags; what the chart passes by the environment is their default."""
    made = argparse.ArgumentParser(prog="edgeglm-operator", description="Turns edgeglm's objects into pods.")
    _add_what_pods_get(made)
    _add_where_it_looks(made)
    _add_autoscaling(made)
    _add_reporting(made)
    _add_process(made)
    return made


def settings_of(options: argparse.Namespace) -> Settings:
    """What the operator's work follows from. Raises BadReporting where a file that is named cannot be used."""
    return Settings(
        engine_image=options.engine_image,
        agent_image=options.agent_image,
        agent_pull_secrets=tuple(options.agent_pull_secret),
        agent_max_unavailable=options.agent_max_unavailable,
        agents_follow_release=options.agents_follow_release,
        operator_image=options.operator_image,
        verification_concurrency=options.verification_concurrency,
        namespace=options.namespace,
        prometheus_url=options.prometheus_url,
        http_addon_namespace=options.http_addon_namespace,
        pod_monitor_labels=dict(options.pod_monitor_label),
        watch_namespaces=tuple(options.watch_namespace),
        shard=options.watch_label_selector,
        lease_name=options.lease_name,
        reporting=_reporting_of(options),
    )


def _add_what_pods_get(made: argparse.ArgumentParser) -> None:
    environment, default = os.environ, Settings()
    made.add_argument("--engine-image", default=environment.get("EDGEGLM_ENGINE_IMAGE", default.engine_image))
    made.add_argument("--agent-image", default=environment.get("EDGEGLM_AGENT_IMAGE", default.agent_image))
    made.add_argument(
        "--agent-pull-secret",
        action="append",
        default=[],
        metavar="NAME",
        help="a Secret of each site's namespace, with which its node pulls the agent's image",
    )
    made.add_argument(
        "--agent-max-unavailable",
        type=_read_by(max_unavailable_of),
        default=default.agent_max_unavailable,
        metavar="N[%]",
        help="how many agents, or what part of them, may be out of service while others change (default: %(default)s)",
    )
    made.add_argument(
        "--agents-follow-release",
        action="store_true",
        help="let agents have the pods that this release makes, so many at a time; else they keep theirs",
    )
    made.add_argument(
        "--operator-image",
        default=environment.get("EDGEGLM_OPERATOR_IMAGE", default.operator_image),
        help="the operator's own image, which verifies engines and brings models from a hub (default: %(default)s)",
    )
    made.add_argument(
        "--verification-concurrency",
        type=int,
        default=default.verification_concurrency,
        help="how many parallel requests replicas must answer that say nothing of it; 0 is off (default: %(default)s)",
    )


def _add_where_it_looks(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--namespace",
        default=os.environ.get("POD_NAMESPACE", Settings().namespace),
        help="where the operator lives and its Lease is (default: $POD_NAMESPACE)",
    )
    made.add_argument(
        "--watch-namespace", action="append", default=[], help="serve only this namespace; may be repeated"
    )
    made.add_argument(
        "--watch-label-selector",
        default=Settings().shard,
        type=_read_by(shard_of),
        metavar="SELECTOR",
        help="serve only objects with these labels: KEY=VALUE or !KEY, with commas in between",
    )
    made.add_argument(
        "--lease-name",
        default=Settings().lease_name,
        help="operators with different objects need different ones (default: %(default)s)",
    )
    made.add_argument("--kubeconfig", type=Path, help="default: the pod's service account")


def _add_autoscaling(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--prometheus-url",
        default=os.environ.get("EDGEGLM_PROMETHEUS_URL", Settings().prometheus_url),
        help="where KEDA finds the engines' metrics; without it, it follows its HTTP Add-on or nothing",
    )
    made.add_argument(
        "--http-addon-namespace",
        default=Settings().http_addon_namespace,
        help="where KEDA's HTTP Add-on runs (default: %(default)s)",
    )
    made.add_argument(
        "--pod-monitor-label",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        type=_label,
        help="a label of each PodMonitor, by which Prometheus selects it; may be repeated",
    )


def _add_reporting(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--report-url",
        type=_report_url,
        metavar="https://HOST[:PORT]",
        help="where sites report, as they reach it; without it they do not",
    )
    made.add_argument(
        "--report-key", type=Path, metavar="FILE", help="what their tokens are made with; the receiver's own"
    )
    made.add_argument(
        "--report-epoch", type=int, default=1, metavar="N", help="another one makes new tokens (default: %(default)s)"
    )
    made.add_argument("--report-ca", type=Path, metavar="FILE", help="whom sites trust; default: their own authorities")


def _reporting_of(options: argparse.Namespace) -> Reporting | None:
    if not options.report_url:
        return None
    if not options.report_key:
        raise BadReporting("--report-url needs --report-key: sites must show who they are")
    return Reporting(
        url=options.report_url,
        key=read_report_key(options.report_key),
        epoch=options.report_epoch,
        ca=read_report_ca(options.report_ca) if options.report_ca else "",
    )


def _report_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query or "@" in parts.netloc:
        raise argparse.ArgumentTypeError(f"{text!r} is not https://HOST[:PORT]")
    return text.rstrip("/")


def _add_process(made: argparse.ArgumentParser) -> None:
    made.add_argument("--listen", default="0.0.0.0:8080", help="address of probes and metrics (default: %(default)s)")
    made.add_argument(
        "--resync-seconds",
        type=float,
        default=INTERVAL_SECONDS,
        help="how often everything is listed and looked at, against missed events (default: %(default)g)",
    )
    made.add_argument(
        "--discovery-seconds",
        type=float,
        default=LOOK_SECONDS,
        help="how often it is asked which optional APIs there are, and what of them has changed (default: %(default)g)",
    )
    made.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])


def _read_by(read: Callable[[str], T]) -> Callable[[str], T]:
    """For argparse, which tells what an error says only where it is of its own kind."""

    def read_argument(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read_argument


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text}: write KEY=VALUE")
    return key, value
