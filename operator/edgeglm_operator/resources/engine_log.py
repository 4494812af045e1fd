"""How the engine's errors come into its pod's status.

The kubelet offers the last 2048 bytes of the log of a container that failed. vLLM's log ends with 5 kB of the API
server's own traceback, "Engine core initialization failed. See root cause above", so the cause is never among them
(measured with vLLM 0.32). Python's logging can write errors to a second place: here the file that the kubelet shows as
the container's last message, where the cause is among the last 4096 bytes.

The configuration is an annotation of the pod, which the pod mounts as a file: no object that could be missing.
"""

import json
from typing import Final

from edgeglm_api.group import GROUP
from edgeglm_api.inference_service import Engine
from edgeglm_operator.resources.manifest import Manifest

ANNOTATION: Final = f"{GROUP}/engine-log"
VOLUME: Final = "logging"
DIRECTORY: Final = "/etc/edgeglm/logging"
FILE: Final = "logging.json"
LAST_WORDS: Final = "/dev/termination-log"
"""Where Kubernetes itself expects a container's last message."""

_FATAL: Final = ("vllm.v1.engine.core", "vllm.v1.executor")
"""Whose errors end the engine. Others tell of single requests, and would fill the file while the engine lives."""

_LEVEL: Final = "VLLM_LOGGING_LEVEL"


def log_annotations(engine: Engine) -> dict[str, str]:
    """The annotation of the pod. The level is that of the variable, which vLLM itself no longer reads then."""
    level = next((variable.value for variable in engine.env if variable.name == _LEVEL), "") or "INFO"
    return {ANNOTATION: json.dumps(_config(level.upper()), separators=(",", ":"))}


def log_volume() -> Manifest:
    """The annotation as a file."""
    field = {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{ANNOTATION}']"}
    return {"name": VOLUME, "downwardAPI": {"items": [{"path": FILE, "fieldRef": field}]}}


def log_mount() -> Manifest:
    """Where the engine reads it."""
    return {"name": VOLUME, "mountPath": DIRECTORY, "readOnly": True}


def log_environment() -> dict[str, str]:
    """What makes the engine read it."""
    return {"VLLM_LOGGING_CONFIG_PATH": f"{DIRECTORY}/{FILE}"}


def _config(level: str) -> Manifest:
    """In the schema of `logging.config.dictConfig`. Only classes of Python's own: vLLM's may move."""
    where = "(%(processName)s pid=%(process)d) %(levelname)s %(asctime)s [%(name)s:%(lineno)d]"
    console = {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stdout"}
    last_words = {"class": "logging.FileHandler", "formatter": "line", "filename": LAST_WORDS, "delay": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": f"{where} %(message)s", "datefmt": "%m-%d %H:%M:%S"}},
        "handlers": {"console": console, "last_words": {**last_words, "level": "ERROR"}},
        "loggers": {
            "vllm": {"handlers": ["console"], "level": level, "propagate": False},
            **{logger: {"handlers": ["last_words"]} for logger in _FATAL},
        },
    }
