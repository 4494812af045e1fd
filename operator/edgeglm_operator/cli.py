"""`edgeglm`: what would be made and why, without a cluster; and of one on a cluster, why it is not ready.

Sites that no operator reaches get their bundles from it, too.

Bad input ends with status 2 and a line for each fault.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_api.verification import TIMEOUT_SECONDS
from edgeglm_operator.live.explain import explain_live
from edgeglm_operator.observed import Node, node_from
from edgeglm_operator.offline.bad_input import BadInput
from edgeglm_operator.offline.check import Checked, check
from edgeglm_operator.offline.documents import Document, read_documents
from edgeglm_operator.offline.explain import explain
from edgeglm_operator.offline.plan import all_fit, as_json, as_lines, plans
from edgeglm_operator.offline.render import Wishes, render, to_yaml
from edgeglm_operator.publish.cli import add_bundle_parser
from edgeglm_operator.reconcile.status.verdict import State
from edgeglm_operator.resources.verification_job import BAD_INPUT, KEY_VARIABLE, NOT_KNOWN, NOT_VERIFIED
from edgeglm_operator.settings import Settings
from edgeglm_operator.verification.ask import DEFAULT_CONCURRENCY, Inquiry, ask_all
from edgeglm_operator.verification.judge import judge

OK: Final = 0
INCOMPLETE: Final = 1
"""Rendered, but something of it the operator would refuse, or only a cluster can tell."""
DOES_NOT_FIT: Final = 1
"""Or nobody knows whether it does."""
_STATUS_OF: Final = {State.SERVING: OK, State.FAILED: NOT_VERIFIED}
NOT_READY: Final = 1
"""Or not yet, or suspended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except BadInput as error:
        _say(*error.lines)
        return BAD_INPUT
    except BrokenPipeError:
        # Whoever reads us has seen enough; without this Python complains once more as it closes the pipe.
        sys.stdout = None
        return OK
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgeglm", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    checking = commands.add_parser("validate", help="check custom resources as the API server and the operator would")
    _add_files(checking)
    checking.set_defaults(run=_validate)
    rendering = commands.add_parser("render", help="print what the operator would apply")
    _add_files(rendering)
    rendering.add_argument("--nodes", metavar="FILE", help="the nodes, from `kubectl get nodes -o yaml`")
    rendering.add_argument("--engine-image", default=Settings().engine_image, help="default: %(default)s")
    rendering.add_argument("--agent-image", default=Settings().agent_image, help="default: %(default)s")
    rendering.add_argument("--operator-image", default=Settings().operator_image, help="default: %(default)s")
    rendering.add_argument("--prometheus-url", default="", help="the operator's; for autoscaling by KEDA")
    rendering.set_defaults(run=_render)
    _add_explain(commands.add_parser("explain", help=_EXPLAIN, description=_EXPLAIN))
    planning = commands.add_parser(
        "plan", help="reckon whether models fit their accelerators; status 0: they do, 1: not, or not known"
    )
    _add_files(planning)
    planning.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default: %(default)s")
    planning.set_defaults(run=_plan)
    _add_verify(commands)
    add_bundle_parser(commands, _wishes)
    return parser


def _add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verifying = commands.add_parser(
        "verify",
        help="send parallel requests to engines; status 0: all were answered, 1: not as they should, 3: not known",
        epilog=f"An API key is taken from the variable {KEY_VARIABLE}.",
    )
    verifying.add_argument(
        "--url", metavar="URL", action="append", required=True, help="of an engine, without a path; may be repeated"
    )
    verifying.add_argument("--model", required=True, help="the name that it serves the model under")
    verifying.add_argument(
        "--concurrency", type=_positive, default=DEFAULT_CONCURRENCY, help="requests at once (default: %(default)s)"
    )
    verifying.add_argument(
        "--timeout-seconds", type=_positive, default=TIMEOUT_SECONDS, help="for each (default: %(default)s)"
    )
    verifying.add_argument("--report", metavar="FILE", type=Path, help="write counts and latencies there, as JSON")
    verifying.set_defaults(run=_verify)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


_EXPLAIN: Final = (
    "of NAME on a cluster: why it is not ready, from its conditions down to containers and events; status 0: it is"
    " ready, 1: not; of files: each engine setting, where it was said, and vLLM's arguments"
)


def _add_explain(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("name", metavar="[KIND/]NAME", nargs="?", help="KIND is infsvc (default), sgraph or esite")
    _add_files(what, required=False)
    parser.add_argument("-n", "--namespace", help="default: that of the kubeconfig's present context")
    parser.add_argument("--kubeconfig", type=Path, help="default: $KUBECONFIG, or ~/.kube/config")
    parser.add_argument("--engine-image", default=Settings().engine_image, help="of files; default: %(default)s")
    parser.set_defaults(run=lambda options: _explain_live(options) if options.name else _explain(options))


def _add_files(parser: argparse._ActionsContainer, *, required: bool = True) -> None:
    help_ = "YAML; - is the standard input"
    parser.add_argument("-f", "--file", metavar="FILE", nargs="+", action="extend", required=required, help=help_)


def _validate(options: argparse.Namespace) -> int:
    checked = _checked(options.file)
    for document, _ in checked.resources:
        print(f"{document.file}: {document.identity}: valid")
    return OK


def _render(options: argparse.Namespace) -> int:
    settings = Settings(
        engine_image=options.engine_image,
        agent_image=options.agent_image,
        operator_image=options.operator_image,
        prometheus_url=options.prometheus_url,
    )
    rendered = render(_wishes(options), settings)
    sys.stdout.write(to_yaml(rendered))
    _say(*rendered.notes)
    return INCOMPLETE if rendered.notes else OK


def _explain(options: argparse.Namespace) -> int:
    services = _checked(options.file).of(InferenceService)
    print("\n".join(explain(services, Settings(engine_image=options.engine_image))))
    return OK


def _explain_live(options: argparse.Namespace) -> int:
    explained = asyncio.run(explain_live(options.name, namespace=options.namespace, kubeconfig=options.kubeconfig))
    print("\n".join(explained.lines))
    _say(*explained.notes)
    return OK if explained.is_ready else NOT_READY


def _plan(options: argparse.Namespace) -> int:
    planned = plans(_checked(options.file).of(InferenceService))
    if options.output == "json":
        print(json.dumps(as_json(planned), indent=2))
    else:
        print("\n".join(as_lines(planned)))
    return OK if all_fit(planned) else DOES_NOT_FIT


def _verify(options: argparse.Namespace) -> int:
    inquiry = Inquiry(
        model=options.model,
        concurrency=options.concurrency,
        timeout_seconds=options.timeout_seconds,
        api_key=os.environ.get(KEY_VARIABLE, ""),
    )
    report = asyncio.run(ask_all(options.url, inquiry))
    if options.report:
        options.report.write_bytes(msgspec.json.encode(report))
    verdict = judge(report)
    print(f"{verdict.reason}: {verdict.message}")
    return _STATUS_OF.get(verdict.state, NOT_KNOWN)


def _wishes(options: argparse.Namespace) -> Wishes:
    checked = _checked(options.file)
    return Wishes(
        services=checked.of(InferenceService),
        graphs=checked.of(SensorGraph),
        sites=checked.of(EdgeSite),
        topologies=checked.topologies,
        devices=checked.devices,
        nodes=_nodes(options.nodes) if options.nodes else None,
    )


def _checked(files: Sequence[str]) -> Checked:
    checked = check(_read(files))
    _say(*(document.fault("", "passed over; it is not of edgeglm") for document in checked.passed_over))
    return checked


def _read(files: Sequence[str]) -> list[Document]:
    documents: list[Document] = []
    faults: list[str] = []
    for file in files:
        try:
            documents += read_documents(file)
        except BadInput as error:
            faults += error.lines
    if faults:
        raise BadInput(*faults)
    return documents


def _nodes(file: str) -> list[Node]:
    nodes = [document for document in read_documents(file) if document.kind == "Node"]
    if not nodes:
        raise BadInput(f"{file}: holds no Node; make it with `kubectl get nodes -o yaml`")
    for node in nodes:
        metadata = node.raw.get("metadata")
        if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
            raise BadInput(node.fault("metadata.name", "is required"))
    return [node_from(node.raw) for node in nodes]


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
