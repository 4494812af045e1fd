"""What is wrong with an InferenceService that the CRD's own rules cannot see."""

from collections.abc import Iterable, Iterator, Mapping

from edgeglm_api.inference_service import (
    MAX_ADAPTER_NAME,
    MAX_SERVED_NAME,
    MAX_TARGET_NAME,
    EdgeTarget,
    Engine,
    InferenceService,
)
from edgeglm_api.time_window import TimeWindow, is_known
from edgeglm_operator.reconcile.refused import Reason, Refused
from edgeglm_operator.resources.effective_engine import asked_engine, place_of
from edgeglm_operator.resources.flags import (
    FLAGS_OF_ADAPTERS,
    FLAGS_OF_GROUPS,
    OWNED_FLAGS,
    OWNED_VARIABLES,
    owner_of_flag,
)
from edgeglm_operator.resources.parallelism import accelerators_of, idle_or_missing, nodes_of
from edgeglm_operator.resources.presets import PRESETS
from edgeglm_operator.resources.weights import CLAIM, HUB, NODE_PATH, SCHEMES, node_path


def accept(service: InferenceService) -> Refused | None:
    """The first reason why the service cannot be made; None when it can."""
    return next(_problems(service), None)


def _problems(service: InferenceService) -> Iterator[Refused]:
    spec = service.spec
    yield from _source(spec.model.uri, "spec.model.uri")
    yield from _preset(spec.preset)
    yield from _served_name(service)
    yield from _target_names(spec.edge)
    yield from _adapters(service)
    owned = {**OWNED_FLAGS, **(FLAGS_OF_ADAPTERS if spec.model.adapters else {})}
    yield from _engine(spec.engine, "spec.engine", owned)
    if spec.cloud is not None:
        yield from _parallelism(service, None)
    if nodes_of(service, None) > 1:
        yield from _group(spec.engine)
    if spec.cloud is not None and spec.model.uri.startswith(NODE_PATH):
        yield Refused(
            Reason.INVALID_MODEL,
            f"spec.model.uri: {spec.model.uri} is a path on a node, and Pod Security `restricted` keeps cloud pods"
            f" from mounting one; use {HUB}… or {CLAIM}… there, and put the path under spec.edge[].model",
        )
    for target in spec.edge:
        where = place_of(target)
        yield from _engine(target.engine, f"{where}.engine", owned)
        yield from _parallelism(service, target)
        yield from _window(target.update.window if target.update else None, f"{where}.update.window")
        yield from _window(target.download.window if target.download else None, f"{where}.download.window")
        uri = target.model.uri if target.model else spec.model.uri
        if target.model:
            yield from _source(uri, f"{where}.model.uri")
        if uri.startswith(CLAIM):
            yield Refused(
                Reason.INVALID_MODEL,
                f"{where}: {uri} is a claim, which an edge node cannot mount while it is offline; give the target a"
                f" model of its own with {NODE_PATH}/… or {HUB}…",
            )


def _source(uri: str, where: str) -> Iterator[Refused]:
    if not uri.startswith(SCHEMES):
        known = ", ".join(f"{scheme}…" for scheme in SCHEMES)
        yield Refused(Reason.INVALID_MODEL, f"{where}: {uri} is of no kind that is known; use one of {known}")
    elif uri.startswith(NODE_PATH) and node_path(uri) == "/":
        yield Refused(Reason.INVALID_MODEL, f"{where}: {uri} is the node's root; name the directory of the model")


def _preset(preset: str | None) -> Iterator[Refused]:
    if preset is not None and preset not in PRESETS:
        yield Refused(Reason.UNKNOWN_PRESET, f"spec.preset: {preset} is not known; known are {', '.join(PRESETS)}")


def _served_name(service: InferenceService) -> Iterator[Refused]:
    name = service.served_name
    if len(name) > MAX_SERVED_NAME:
        yield Refused(
            Reason.INVALID_MODEL,
            f"spec.model.name: {name[:MAX_SERVED_NAME]}… is longer than {MAX_SERVED_NAME} characters; shorten it",
        )


def _target_names(targets: Iterable[EdgeTarget]) -> Iterator[Refused]:
    for target in targets:
        if len(target.name) > MAX_TARGET_NAME:
            yield Refused(
                Reason.INVALID_SPEC,
                f"spec.edge: the name {target.name[:MAX_TARGET_NAME]}… is longer than {MAX_TARGET_NAME} characters;"
                " shorten it",
            )


def _window(window: TimeWindow | None, where: str) -> Iterator[Refused]:
    if window and not is_known(window.time_zone):
        yield Refused(
            Reason.INVALID_SPEC,
            f"{where}.timeZone: {window.time_zone} is not known; use a name of the IANA database,"
            " such as Europe/Berlin or UTC",
        )


def _adapters(service: InferenceService) -> Iterator[Refused]:
    model = service.spec.model
    for adapter in model.adapters:
        if len(adapter.name) > MAX_ADAPTER_NAME:
            yield Refused(
                Reason.INVALID_MODEL,
                f"spec.model.adapters: the name {adapter.name[:MAX_ADAPTER_NAME]}… is longer than {MAX_ADAPTER_NAME}"
                " characters; shorten it",
            )
        if adapter.name in {service.served_name, *model.aliases}:
            yield Refused(
                Reason.INVALID_MODEL,
                f"spec.model.adapters[{adapter.name}]: the model itself has this name; give the adapter another",
            )


def _engine(engine: Engine, where: str, owned_flags: Mapping[str, str]) -> Iterator[Refused]:
    for index, argument in enumerate(engine.extra_args):
        if not argument.startswith("--"):
            yield Refused(
                Reason.RESERVED_FLAG,
                f"{where}.extraArgs[{index}]: {argument} is a short option or a value; write --flag or --flag=value",
            )
        elif owned := owner_of_flag(argument, owned_flags):
            yield Refused(Reason.RESERVED_FLAG, f"{where}.extraArgs[{index}]: {_reserved(argument, *owned)}")
    for variable in engine.env:
        if owner := OWNED_VARIABLES.get(variable.name):
            yield Refused(
                Reason.RESERVED_VARIABLE,
                f"{where}.env[{variable.name}]: is set by {owner}; remove it here, where everybody can read it",
            )


def _group(engine: Engine) -> Iterator[Refused]:
    """What extraArgs may say on one node says of several what the operator says for each of them."""
    for index, argument in enumerate(engine.extra_args):
        if owned := owner_of_flag(argument, FLAGS_OF_GROUPS):
            yield Refused(Reason.RESERVED_FLAG, f"spec.engine.extraArgs[{index}]: {_reserved(argument, *owned)}")


def _parallelism(service: InferenceService, target: EdgeTarget | None) -> Iterator[Refused]:
    accelerators, nodes = accelerators_of(service, target), nodes_of(service, target)
    if wrong := idle_or_missing(asked_engine(service, target), accelerators, nodes):
        yield Refused(Reason.INVALID_PARALLELISM, f"{place_of(target)}: {wrong}")


def _reserved(argument: str, flag: str, owner: str) -> str:
    given = argument.partition("=")[0]
    taken = f"{given} is set by" if given == flag else f"vLLM takes {given} for {flag}, which is set by"
    return f"{taken} {owner}; remove it"
