"""A SensorGraph from a file, as the bundle of a site that does not exist."""

import importlib
import json
from pathlib import Path
from typing import Any, Final

import msgspec

from edgeglm_agent.config.rules import problems_of
from edgeglm_agent.rehearse.unknown import unknown_fields
from edgeglm_api.bundle import API_VERSION, Broker, Bundle, Endpoint, Limits
from edgeglm_api.compiled import compiled
from edgeglm_api.model import InvalidObject, read
from edgeglm_api.sensor_graph import SensorGraph, Spec

REHEARSAL: Final = "rehearsal"
"""The name of the site, its uid, and the endpoint's name: the same on each run, so that request ids are."""


class BadGraph(ValueError):  # noqa: N818 - names what it is about
    """The file does not hold one SensorGraph that can be run."""


def load_graph(path: Path) -> SensorGraph:
    """Read the one SensorGraph of a file, in JSON or YAML; raises BadGraph, and OSError when it cannot be read."""
    found = [each for each in _documents(path) if isinstance(each, dict) and each.get("kind") == "SensorGraph"]
    if len(found) != 1:
        raise BadGraph(f"{path} has {len(found)} SensorGraphs; keep the one that is meant")
    (raw,) = found
    if unknown := unknown_fields(raw.get("spec"), Spec):
        raise BadGraph(f"{path}: spec.{unknown[0]} is no field of a SensorGraph")
    try:
        return read(raw, SensorGraph)
    except InvalidObject as error:
        raise BadGraph(f"{path}: {error}") from error


def bundle_for(graph: SensorGraph, *, broker: str, endpoint: Endpoint) -> Bundle:
    """Return the bundle of a site that has this graph, this broker and this endpoint; raises BadGraph."""
    if graph.spec.topology.config_map_ref is not None:
        raise BadGraph("topology.configMapRef: only a cluster has it; put its nodes and edges here instead")
    if graph.spec.topology.devices is not None:
        raise BadGraph("topology.devices: only a cluster has them; put nodes and edges here instead")
    metadata = graph.metadata
    known = msgspec.structs.replace(
        graph, metadata=msgspec.structs.replace(metadata, uid=metadata.uid or metadata.name)
    )
    bundle = Bundle(
        api_version=API_VERSION,
        namespace=metadata.namespace or "default",
        site=REHEARSAL,
        site_uid=REHEARSAL,
        generation=1,
        graphs=(compiled(known, broker=Broker(url=broker), endpoints=(endpoint.name,)),),
        endpoints=(endpoint,),
        limits=Limits(spool_max_bytes=1 << 40, max_concurrency=1),
    )
    if problems := problems_of(bundle):
        raise BadGraph("; ".join(str(problem).removeprefix("graphs[0].") for problem in problems))
    return bundle


def _documents(path: Path) -> list[Any]:
    text = path.read_text("utf-8")
    if path.suffix == ".json":
        try:
            return [json.loads(text)]
        except ValueError as error:
            raise BadGraph(f"{path} is no JSON: {error}") from error
    try:
        # Not a dependency of the agent: at a site nobody reads YAML.
        yaml = importlib.import_module("yaml")
    except ImportError as error:
        raise BadGraph(
            f"{path}: reading YAML needs PyYAML; install edgeglm[operator], or give the graph as .json"
        ) from error
    try:
        return list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise BadGraph(f"{path} is no YAML: {error}") from error
