"""What CEL cannot see is refused with the field, the fault and the cure; all else passes."""

from pathlib import Path
from typing import Any

import pytest

from edgeglm_operator.reconcile.accept import accept
from edgeglm_operator.resources.flags import OWNED_FLAGS, owner_of_flag
from tests.unit.operator.builders import a_target, an_inference_service

KNOWN_FLAGS = Path(__file__).with_name("vllm-0.32-flags.txt").read_text(encoding="utf-8").split()


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("--api-key=x", "--api-key is set by spec.auth.apiKeySecretRef"),
        ("--api-k=x", "vLLM takes --api-k for --api-key"),
        ("--api_key=x", "--api_key for --api-key"),
        ("--api-key.x=1", "spec.auth.apiKeySecretRef"),
        ("--max-model-len=8", "engine.maxModelLen"),
        ("--max-model=8", "engine.maxModelLen"),
        ("--max_model_len=8", "engine.maxModelLen"),
        ("--no-enable-prefix-caching", "engine.prefixCaching"),
        ("--no-enable-prefix", "engine.prefixCaching"),
        ("--device-memory-utilization=0.5", "engine.gpuMemoryUtilizationPercent"),
        ("--gpu-mem=0.5", "engine.gpuMemoryUtilizationPercent"),
        ("--hf-token", "spec.model.credentialsSecretRef"),
        ("--config=/etc/passwd", "the operator"),
        ("--conf=/x", "the operator"),
        ("--host=0.0.0.0", "the operator"),
        ("--por=1", "spec.edge[].port"),
        ("--served-model-name=x", "spec.model.name"),
        ("--model=x", "spec.model.uri"),
        ("--shutdown-timeout=0", "spec.timeouts.drainSeconds"),
        ("--ssl-keyfile=/x", "plain HTTP"),
        ("--tensor-parallel-size=2", "engine.parallelism.tensor"),
        ("--no-trust-remote-code", "engine.trustRemoteCode"),
        ("-tp", "short option"),
        ("-tp=2", "short option"),
        ("8", "short option or a value"),
    ],
)
def test_a_flag_that_a_field_owns_is_refused_however_it_is_written(argument: str, says: str) -> None:
    refused = accept(an_inference_service(engine={"extraArgs": ["--enforce-eager", argument]}))
    assert refused is not None
    assert refused.reason == "ReservedFlag"
    assert refused.message.startswith("spec.engine.extraArgs[1]: ")
    assert says in refused.message


def test_the_field_of_an_edge_target_is_named() -> None:
    refused = accept(an_inference_service(edge=[a_target(engine={"extraArgs": ["--dtype=half"]})]))
    assert refused is not None
    assert refused.message.startswith("spec.edge[plants].engine.extraArgs[0]: --dtype is set by engine.dtype")


def test_every_other_flag_of_vllm_is_free() -> None:
    others = [flag for flag in KNOWN_FLAGS if flag.replace("--no-", "--") not in OWNED_FLAGS]
    assert len(others) > 300
    assert [flag for flag in others if owner_of_flag(flag)] == []


def test_every_owned_flag_is_one_of_vllm() -> None:
    # The model is positional for `vllm serve`; `--model-tag` is what its parser calls it.
    assert set(OWNED_FLAGS) - set(KNOWN_FLAGS) == {"--model-tag"}


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("VLLM_API_KEY", "spec.auth.apiKeySecretRef"),
        ("HF_TOKEN", "spec.model.credentialsSecretRef"),
        ("HUGGING_FACE_HUB_TOKEN", "spec.model.credentialsSecretRef"),
    ],
)
def test_a_secret_in_a_plain_variable_is_refused(name: str, owner: str) -> None:
    refused = accept(an_inference_service(engine={"env": [{"name": name, "value": "x"}]}))
    assert refused is not None
    assert (refused.reason, owner in refused.message) == ("ReservedVariable", True)


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ({"model": {"uri": "gs://bucket/x"}}, "spec.model.uri: gs://bucket/x is of no kind that is known"),
        ({"model": {"uri": "file:///srv/x"}, "cloud": {}}, "spec.model.uri: file:///srv/x is a path on a node"),
        ({"model": {"uri": "file:////"}, "edge": [a_target()]}, "spec.model.uri: file://// is the node's root"),
        ({"model": {"uri": "pvc://w"}, "edge": [a_target()]}, "spec.edge[plants]: pvc://w is a claim"),
        ({"edge": [a_target(model={"uri": "x://y"})]}, "spec.edge[plants].model.uri: x://y is of no kind"),
    ],
)
def test_a_model_that_cannot_be_had_there_is_refused(spec: dict[str, Any], where: str) -> None:
    refused = accept(an_inference_service(**spec))
    assert refused is not None
    assert refused.reason == "InvalidModel"
    assert refused.message.startswith(where)


ADAPTED = {"uri": "hf://a/b", "aliases": ["glm"], "adapters": [{"name": "line-1", "uri": "hf://a/line-1"}]}


@pytest.mark.parametrize("flag", ["--enable-lora", "--no-enable-lora", "--lora-modules=a=/x", "--lora_mod=a=/x"])
def test_the_flags_of_adapters_are_owned_where_there_are_some(flag: str) -> None:
    refused = accept(an_inference_service(model=ADAPTED, edge=[a_target(engine={"extraArgs": [flag]})]))
    assert refused is not None
    assert (refused.reason, "spec.model.adapters" in refused.message) == ("ReservedFlag", True)


@pytest.mark.parametrize("name", ["glm", "llm", "own"])
def test_an_adapter_needs_a_name_of_its_own(name: str) -> None:
    """Neither an alias, nor the object's name where the model has no other, nor that other."""
    own = {"name": "own"} if name == "own" else {}
    model = ADAPTED | own | {"adapters": [{"name": name, "uri": "hf://a/line-1"}]}
    refused = accept(an_inference_service(model=model))
    assert refused is not None
    assert refused.message.startswith(f"spec.model.adapters[{name}]: the model itself has this name")


def test_the_name_of_an_adapter_is_bounded_whatever_an_older_crd_let_in() -> None:
    """Found by the fuzz: the status has room for 40 characters, and so have the names of containers."""
    model = ADAPTED | {"adapters": [{"name": "a" * 41, "uri": "hf://a/line-1"}]}
    refused = accept(an_inference_service(model=model))
    assert refused is not None
    assert "is longer than 40 characters" in refused.message


def test_the_name_of_a_target_is_bounded_whatever_an_older_crd_let_in() -> None:
    """Found by the fuzz: the status has room for 32 characters."""
    refused = accept(an_inference_service(edge=[a_target("x" * 33)]))
    assert refused is not None
    assert refused.message.startswith("spec.edge: the name xxx")
    assert "is longer than 32 characters" in refused.message


def test_the_name_that_clients_ask_for_is_bounded_whatever_an_older_crd_let_in() -> None:
    """Found by the fuzz: the status has room for 128 characters."""
    refused = accept(an_inference_service(model={"uri": "hf://a/b", "name": "m" * 129}))
    assert refused is not None
    assert refused.message.startswith("spec.model.name: mmm")
    assert "is longer than 128 characters" in refused.message


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"model": ADAPTED, "engine": {"extraArgs": ["--max-loras=4", "--max-lora-rank=64"]}},
        {"model": {"uri": "pvc://w"}, "cloud": {}, "edge": [a_target(model={"uri": "file:///srv/x"})]},
        {"engine": {"extraArgs": ["--max-num-queued-tokens=96", "--compilation-config.mode=3", "--no-enable-lora"]}},
        {"engine": {"env": [{"name": "HF_ENDPOINT", "value": "https://mirror"}]}},
        {"engine": {"parallelism": {"tensor": 4, "pipeline": 2, "data": 1}}, "cloud": {"accelerator": {"count": 8}}},
        {"engine": {"parallelism": {"tensor": 4}}},
        {"engine": {"extraArgs": ["--nnodes=2"], "parallelism": {"tensor": 8}}, "cloud": {"accelerator": {"count": 4}}},
    ],
)
def test_what_is_in_order_is_accepted(spec: dict[str, Any]) -> None:
    assert accept(an_inference_service(**spec)) is None


@pytest.mark.parametrize(
    ("parallelism", "uses"),
    [({"tensor": 2}, 2), ({"tensor": 8}, 8), ({"pipeline": 3}, 3), ({"data": 4, "pipeline": 4}, 16)],
)
def test_accelerators_that_would_idle_or_are_missing_are_refused(parallelism: dict[str, int], uses: int) -> None:
    refused = accept(
        an_inference_service(
            cloud={"accelerator": {"count": 4}},
            edge=[a_target()],
            engine={"parallelism": parallelism},
        )
    )
    assert refused is not None
    assert refused.reason == "InvalidParallelism"
    assert refused.message.startswith(f"spec.cloud: accelerator.count is 4, and parallelism uses {uses} (")


def test_parallelism_is_held_against_each_targets_own_accelerators() -> None:
    refused = accept(
        an_inference_service(
            cloud={"accelerator": {"count": 4}},
            edge=[a_target(accelerator={"count": 1})],
            engine={"parallelism": {"tensor": 4}},
        )
    )
    assert refused is not None
    assert refused.message.startswith("spec.edge[plants]: accelerator.count is 1, and parallelism uses 4")
