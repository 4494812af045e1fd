"""From a spec to vLLM 0.32: its arguments, environment and probes. What was measured is said where it matters."""

from dataclasses import dataclass
from typing import Final

from edgeglm_api.inference_service import Engine, InferenceService, SecretKeyRef, Timeouts
from edgeglm_operator.resources.engine_flags import engine_flags
from edgeglm_operator.resources.engine_log import log_environment
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.weights import Weights

COMMAND: Final = ("vllm", "serve")
PORT: Final = 8000
"""Of the cloud replicas and of the Service in front of them."""
LOOPBACK: Final = "127.0.0.1"
ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - in a pod's own network; who may reach it is the Service's business

CACHE: Final = "/cache"
"""Everything the engine writes lies under it."""

_PROBE_EVERY_SECONDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How one engine is to serve: everything its container follows from."""

    service: InferenceService
    engine: Engine
    weights: Weights
    host: str = ANY_ADDRESS
    port: int = PORT
    nodes: int = 1
    """Over how many it spreads; each has a pod."""

    @property
    def is_on_loopback(self) -> bool:
        """Whether it shares the node's network and listens there on loopback only."""
        return self.host == LOOPBACK


def arguments(serving: Serving) -> list[str]:
    """The arguments after `vllm serve`."""
    model = serving.service.spec.model
    args = [serving.weights.model, "--served-model-name", serving.service.served_name, *model.aliases]
    if adapters := serving.weights.adapters:
        args += ["--enable-lora", "--lora-modules", *(f"{name}={path}" for name, path in adapters.items())]
    args += [f"--host={serving.host}", f"--port={serving.port}"]
    args += engine_flags(serving.engine)
    # Without it SIGTERM cuts every answer in the middle (measured).
    args.append(f"--shutdown-timeout={serving.service.spec.timeouts.drain_seconds}")
    return [literal(argument) for argument in (*args, *serving.engine.extra_args)] + _group_flags(serving.nodes)


def environment(serving: Serving) -> list[Manifest]:
    """The container's environment: ours, then secrets, then the user's, which may overrule what is not reserved."""
    variables = _paths() | _privacy() | log_environment() | _offline()
    if serving.is_on_loopback:
        # Otherwise vLLM looks for an address of its own by way of the default route, which a dark site may not have.
        variables["VLLM_HOST_IP"] = LOOPBACK
    variables |= {variable.name: variable.value for variable in serving.engine.env}
    return [_variable(name, value) for name, value in variables.items()] + _own_address(serving) + _secrets(serving)


def _group_flags(nodes: int) -> list[str]:
    """How the pods of a replica find each other, without Ray. LeaderWorkerSet sets the variables in each of them."""
    if nodes == 1:
        return []
    return [f"--nnodes={nodes}", "--node-rank=$(LWS_WORKER_INDEX)", "--master-addr=$(LWS_LEADER_ADDRESS)"]


def _own_address(serving: Serving) -> list[Manifest]:
    """Where the others of its group reach it."""
    if serving.nodes == 1:
        return []
    return [{"name": "VLLM_HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]


def _paths() -> dict[str, str]:
    caches = {
        "HF_HOME": "huggingface",
        "VLLM_CACHE_ROOT": "vllm",
        "VLLM_CONFIG_ROOT": "vllm-config",
        "XDG_CACHE_HOME": "xdg",
        "XDG_CONFIG_HOME": "xdg-config",
        "TRITON_CACHE_DIR": "triton",
        "TORCHINDUCTOR_CACHE_DIR": "inductor",
        "NUMBA_CACHE_DIR": "numba",
    }
    # The user id is in no /etc/passwd; without USER, Python's getpass.getuser() fails on it.
    return {"HOME": CACHE, "USER": "edgeglm", "LOGNAME": "edgeglm"} | {
        name: f"{CACHE}/{directory}" for name, directory in caches.items()
    }


def _privacy() -> dict[str, str]:
    return {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


def _offline() -> dict[str, str]:
    """The weights are there, whoever brought them; a hub that does not answer must not hold up a start."""
    return {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def _secrets(serving: Serving) -> list[Manifest]:
    """Keys come through the environment: arguments can be read by everybody who may see the pod or its processes."""
    auth = serving.service.spec.auth
    return [] if auth is None else [from_secret("VLLM_API_KEY", auth.api_key_secret_ref)]


def from_secret(variable: str, reference: SecretKeyRef) -> Manifest:
    """A variable that the kubelet fills from a Secret."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": reference.name, "key": reference.key}}}


def _variable(name: str, value: str) -> Manifest:
    # The API server drops an empty value, and would then look changed.
    return {"name": name, "value": literal(value)} if value else {"name": name}


def literal(text: str) -> str:
    """Text that the kubelet passes on as it stands: `$(VLLM_API_KEY)` must not become the key."""
    return text.replace("$(", "$$(")


def probes(serving: Serving) -> Manifest:
    """Start, readiness and liveness.

    /health needs no key, and is 200 while the engine lives, draining included: readiness does not tell of a drain, so a
    replica leaves the Service by its deletion, and waits a while before it stops (`preStop`).
    """
    check = {"httpGet": _health(serving), "periodSeconds": _PROBE_EVERY_SECONDS, "timeoutSeconds": 5}
    return {
        "startupProbe": {**check, "failureThreshold": startup_attempts(serving.service.spec.timeouts)},
        "readinessProbe": {**check, "failureThreshold": 2},
        # A full engine answers late; only one that is dead for most of a minute is started anew.
        "livenessProbe": {**check, "timeoutSeconds": 10, "failureThreshold": 10},
    }


def startup_attempts(timeouts: Timeouts) -> int:
    """How many probes make up the time that loading may take (rule O12)."""
    return -(-timeouts.startup_seconds // _PROBE_EVERY_SECONDS)


def _health(serving: Serving) -> Manifest:
    check: Manifest = {"path": "/health", "port": serving.port, "scheme": "HTTP"}
    if serving.is_on_loopback:
        # The kubelet would ask the node's outward address, where nothing listens. It runs in the node's network, as the
        # engine does, so the node's loopback is the same for both.
        check["host"] = serving.host
    return check
