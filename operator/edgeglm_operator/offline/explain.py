"""What services in files mean for vLLM: each setting that holds, where it was said, and the resulting arguments."""

import shlex
from collections.abc import Iterable, Iterator

from edgeglm_api.inference_service import EffectiveEngine, InferenceService
from edgeglm_operator.resources.cloud_deployment import make_cloud_deployment
from edgeglm_operator.resources.edge_deployment import make_edge_deployment
from edgeglm_operator.resources.engine_settings import effective_engines
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.settings import Settings

_NODE = "node"
"""Any: the arguments are the same on each."""


def explain(services: Iterable[InferenceService], settings: Settings) -> Iterator[str]:
    """The lines, one block for each place of each service."""
    for service in services:
        made = _deployments(service, settings)
        for engine, deployment in zip(effective_engines(service, settings), made, strict=True):
            yield f"{service.metadata.namespace}/{service.metadata.name}: {engine.place}"
            yield from _table(engine)
            yield f"  {_command(deployment)}"


def _deployments(service: InferenceService, settings: Settings) -> Iterator[Manifest]:
    """In the order of the places of `effective_engines`."""
    if service.spec.cloud is not None:
        yield make_cloud_deployment(service, settings)
    yield from (make_edge_deployment(service, target, _NODE, settings) for target in service.spec.edge)


def _table(engine: EffectiveEngine) -> Iterator[str]:
    rows = [(setting.name, setting.value.replace("\n", "\\n"), setting.origin) for setting in engine.settings]
    names, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, value, origin in rows:
        yield f"  {name:{names}}  {value:{values}}  {origin}"


def _command(deployment: Manifest) -> str:
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    # Undo what keeps the kubelet from expanding variables.
    return shlex.join([*container["command"], *(argument.replace("$$(", "$(") for argument in container["args"])])
