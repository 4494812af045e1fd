"""The engine's errors reach its pod's status: the configuration is Python's own, and goes where Kubernetes looks."""

import json
import logging
import logging.config
from pathlib import Path
from typing import Any

import pytest

from edgeglm_api.inference_service import Engine, EnvVar
from edgeglm_operator.resources.engine_log import ANNOTATION, LAST_WORDS, log_annotations


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """As the engine reads it, but for the file."""
    made: dict[str, Any] = json.loads(log_annotations(Engine())[ANNOTATION])
    assert made["handlers"]["last_words"]["filename"] == LAST_WORDS
    made["handlers"]["last_words"]["filename"] = str(tmp_path / "termination-log")
    return made


def test_what_ends_the_engine_is_written_where_the_kubelet_looks(config: dict[str, Any], tmp_path: Path) -> None:
    logging.config.dictConfig(config)
    try:
        logging.getLogger("vllm.v1.engine.core").error("EngineCore failed to start.")
        logging.getLogger("vllm.v1.executor.multiproc_executor").error("WorkerProc failed.")
        logging.getLogger("vllm.v1.engine.core").warning("nothing bad")
        logging.getLogger("vllm.entrypoints.openai").error("one bad request")
    finally:
        _close("vllm", "vllm.v1.engine.core", "vllm.v1.executor")
    lines = (tmp_path / "termination-log").read_text(encoding="utf-8").splitlines()
    assert [line.partition("] ")[2] for line in lines] == ["EngineCore failed to start.", "WorkerProc failed."]


def test_no_file_is_made_while_all_is_well(config: dict[str, Any], tmp_path: Path) -> None:
    logging.config.dictConfig(config)
    _close("vllm", "vllm.v1.engine.core", "vllm.v1.executor")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("value", "level"), [("debug", "DEBUG"), ("", "INFO"), (None, "INFO")])
def test_the_level_is_the_one_that_the_user_set_for_vllm(value: str | None, level: str) -> None:
    env = () if value is None else (EnvVar(name="VLLM_LOGGING_LEVEL", value=value),)
    config = json.loads(log_annotations(Engine(env=env))[ANNOTATION])
    assert config["loggers"]["vllm"]["level"] == level


def _close(*names: str) -> None:
    for name in names:
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()
        logger.propagate = True
