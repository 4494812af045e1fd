"""Whether a model fits at each place, what would make it fit, and what is said of it in the status."""

from typing import Any

import msgspec
import pytest

from edgeglm_api.inference_service import CapacityPlan, InferenceService
from edgeglm_api.model import read
from edgeglm_operator.reconcile.capacity import NotKnown, Plan
from edgeglm_operator.reconcile.fit_check import Fit, fit_checks
from edgeglm_operator.reconcile.model_shapes import known_by_preset, known_by_uri
from edgeglm_operator.reconcile.status.inference_service import ServiceView, inference_service_status
from edgeglm_operator.resources.presets import PRESETS
from tests.unit.operator.builders import NOW, a_target, an_inference_service

AIR = {"uri": "hf://zai-org/GLM-4.5-Air"}
SHAPE = {
    "parameters": 8_030_261_248,
    "layers": 32,
    "hiddenSize": 4096,
    "intermediateSize": 14336,
    "attentionHeads": 32,
    "kvHeads": 8,
    "headDim": 128,
    "vocabSize": 128256,
    "contextLength": 131072,
}


def on(memory: str, count: int = 1) -> dict[str, Any]:
    return {"accelerator": {"memory": memory, "count": count}}


def the_fit(**spec: Any) -> Fit:
    (fit,) = fit_checks(an_inference_service(**spec))
    return fit


def unknown(**spec: Any) -> NotKnown:
    plan = the_fit(**spec).plan
    assert isinstance(plan, NotKnown)
    return plan


def known(**spec: Any) -> Plan:
    plan = the_fit(**spec).plan
    assert isinstance(plan, Plan)
    return plan


def with_fields(service: InferenceService, fields: dict[str, int | str]) -> InferenceService:
    """A service with the fields of a suggestion, as a person would edit them into it."""
    raw = msgspec.to_builtins(service)
    for path, value in fields.items():
        node: Any = raw
        *steps, last = path.split(".")
        for step in steps:
            name, _, item = step.partition("[")
            node = node.setdefault(name, {})
            if item:
                node = next(each for each in node if each["name"] == item.rstrip("]"))
        node[last] = value
    return read(raw, InferenceService)


def test_each_place_with_an_accelerator_is_reckoned() -> None:
    service = an_inference_service(
        cloud=on("80G"), edge=[a_target("big", **on("24G")), a_target("small", **on("16G")), a_target("cpu")]
    )
    assert [(fit.place, fit.fits) for fit in fit_checks(service)] == [
        ("spec.cloud", True),
        ("spec.edge[big]", False),
        ("spec.edge[small]", False),
    ]


def test_without_an_accelerator_there_is_nothing_to_fit() -> None:
    assert fit_checks(an_inference_service(cloud={}, edge=[a_target()])) == ()


def test_the_tensor_parallelism_that_the_operator_adds_is_reckoned() -> None:
    assert not known(model=AIR, cloud=on("80G", 2), engine={"maxModelLen": 8192}).fits
    assert known(model=AIR, cloud=on("80G", 4), engine={"maxModelLen": 8192}).fits


def test_the_settings_of_a_place_are_those_that_hold_there() -> None:
    target = a_target(engine={"maxModelLen": 4096, "quantization": "awq"}, **on("16G"))
    fits = fit_checks(an_inference_service(preset="glm-4-9b-chat-hf@1", cloud=on("24G"), edge=[target]))
    assert [fit.plan.max_model_len for fit in fits if isinstance(fit.plan, Plan)] == [32768, 4096]
    assert all(fit.fits for fit in fits)


def test_memory_that_nobody_told_is_not_guessed() -> None:
    assert unknown(cloud={"accelerator": {"count": 1}}) == NotKnown(
        "UnknownMemory", "how much memory an accelerator has; set spec.cloud.accelerator.memory"
    )


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ({"model": {"uri": "hf://somebody/glm-4-9b-chat"}, "cloud": on("80G")}, "spec.model.shape"),
        ({"model": {"uri": "pvc://weights/glm-4-9b-chat"}, "cloud": on("80G")}, "spec.model.shape"),
        ({"edge": [a_target(model={"uri": "file:///srv/x"}, **on("16G"))]}, "spec.edge[plants].model.shape"),
        ({"preset": "glm-edge@1", "model": {"uri": "pvc://w"}, "cloud": on("16G")}, "spec.model.shape"),
    ],
)
def test_a_shape_that_nobody_told_is_not_guessed(spec: dict[str, Any], where: str) -> None:
    found = unknown(**spec)
    assert found.reason == "UnknownShape"
    assert where in found.message


def test_what_is_said_of_a_model_wins_over_what_is_known_of_it() -> None:
    assert (
        known(model={"uri": "hf://zai-org/glm-4-9b-chat", "shape": SHAPE}, cloud=on("80G")).kv_bytes_per_token == 131072
    )
    assert known(model={"uri": "hf://a/b", "shape": SHAPE}, cloud=on("80G")).kv_bytes_per_token == 131072
    edge = [a_target(model={"uri": "file:///srv/x", "shape": SHAPE}, **on("80G"))]
    assert known(edge=edge).kv_bytes_per_token == 131072


def test_a_preset_of_one_model_tells_its_shape() -> None:
    assert known(preset="glm-4-9b-chat-hf@1", model={"uri": "pvc://w"}, cloud=on("80G")).kv_bytes_per_token == 40960
    assert {preset for preset in PRESETS if known_by_preset(preset)} == {
        "glm-4-9b-chat@1",
        "glm-4-9b-chat-hf@1",
        "glm-4-9b-0414@1",
        "glm-4.5-air@1",
    }


def test_the_9b_presets_fit_the_card_that_they_speak_of() -> None:
    for preset in ("glm-4-9b-chat@1", "glm-4-9b-chat-hf@1", "glm-4-9b-0414@1"):
        assert known(preset=preset, model={"uri": "pvc://w"}, cloud=on("24G")).fits


def test_files_that_are_quantised_are_known_to_be() -> None:
    assert known(model={"uri": "hf://zai-org/GLM-4.5-Air-FP8"}, cloud=on("80G", 2)).weights_bytes < 110e9


CASES = [
    {"cloud": on("24G")},
    {"cloud": on("16G"), "preset": "glm-4-9b-chat-hf@1"},
    {"cloud": on("12G"), "preset": "glm-4-9b-chat-hf@1"},
    {"cloud": on("40G", 2), "model": AIR},
    {"cloud": on("80G", 2), "model": AIR, "engine": {"parallelism": {"tensor": 2}}},
    {"cloud": on("60G", 4), "model": AIR, "engine": {"parallelism": {"pipeline": 2}}},
    {"cloud": on("24G", 2), "engine": {"parallelism": {"data": 2}}},
    {"edge": [a_target(**on("14G"))], "preset": "glm-4-9b-chat-hf@1", "engine": {"quantization": "fp8"}},
    {"edge": [a_target(**on("24G"), engine={"maxNumSeqs": 512, "maxModelLen": 65536})]},
]


@pytest.mark.parametrize("spec", CASES, ids=lambda spec: str(spec)[:60])
def test_with_each_suggestion_it_fits(spec: dict[str, Any]) -> None:
    """Edited into the resource as they stand, and reckoned anew."""
    service = an_inference_service(**spec)
    (fit,) = fit_checks(service)
    assert fit.fits is False
    assert fit.suggestions
    for suggestion in fit.suggestions:
        (again,) = fit_checks(with_fields(service, dict(suggestion.fields)))
        assert again.fits, suggestion
        assert isinstance(again.plan, Plan)
        assert again.plan.max_concurrency == suggestion.max_concurrency


def test_the_least_trouble_is_suggested_first() -> None:
    suggested = [list(each.fields) for each in the_fit(cloud=on("24G")).suggestions]
    assert suggested == [["spec.engine.maxModelLen"], ["spec.engine.quantization"], ["spec.cloud.accelerator.count"]]
    suggested = [list(each.fields) for each in the_fit(cloud=on("24G"), engine={"maxModelLen": 60000}).suggestions]
    assert ["spec.engine.kvCacheDtype"] in suggested


def test_the_status_tells_it_in_a_condition_and_in_figures() -> None:
    service = an_inference_service(cloud=on("24G"), edge=[a_target(**on("24G"), engine={"maxModelLen": 16384})])
    status = inference_service_status(service, ServiceView(fits=fit_checks(service)), NOW)
    found = next(condition for condition in status.conditions if condition.type == "CapacityFits")
    assert (found.status, found.reason) == ("False", "TooLarge")
    assert found.message.startswith("spec.cloud: does not fit: weights take 17.5 GiB and a step ")
    assert "it fits with spec.engine.maxModelLen: " in found.message
    assert status.cloud is not None
    assert status.cloud.plan == CapacityPlan(weights_gib=18, kv_cache_tokens=38704, max_concurrency=0)
    assert status.edge[0].plan == CapacityPlan(weights_gib=18, kv_cache_tokens=38704, max_concurrency=2)


@pytest.mark.parametrize(
    ("cloud", "edge", "status", "reason"),
    [
        (on("80G"), on("80G"), "True", "Fits"),
        (on("80G"), {"accelerator": {}}, "Unknown", "UnknownMemory"),
        (on("8G"), {"accelerator": {}}, "False", "TooLarge"),
    ],
)
def test_what_does_not_fit_is_told_before_what_nobody_knows(
    cloud: dict[str, Any], edge: dict[str, Any], status: str, reason: str
) -> None:
    service = an_inference_service(cloud=cloud, edge=[a_target(**edge)])
    told = inference_service_status(service, ServiceView(fits=fit_checks(service)), NOW)
    found = next(condition for condition in told.conditions if condition.type == "CapacityFits")
    assert (found.status, found.reason) == (status, reason)


def test_a_cpu_engine_has_no_such_condition() -> None:
    service = an_inference_service()
    told = inference_service_status(service, ServiceView(fits=fit_checks(service)), NOW)
    assert "CapacityFits" not in {condition.type for condition in told.conditions}


ADAPTERS = {"adapters": [{"name": "line-1", "uri": "hf://a/line-1"}]}


def test_what_adapters_take_is_not_known_but_what_is_too_large_without_them_is_too_large() -> None:
    found = unknown(model=AIR | ADAPTERS, cloud=on("80G", 4))
    assert (found.reason, "without them the model fits" in found.message) == ("NotReckoned", True)
    assert the_fit(model=AIR | ADAPTERS, cloud=on("24G")).fits is False


@pytest.mark.parametrize("name", ["glm-4-9b-chat-hf", "GLM-4-9B-0414", "GLM-4.5-Air-FP8", "glm-edge-4b-chat"])
def test_a_model_is_the_same_on_both_hubs(name: str) -> None:
    plans = {known(model={"uri": uri}, cloud=on("80G", 4)) for uri in (f"hf://zai-org/{name}", f"ms://ZhipuAI/{name}")}
    assert len(plans) == 1


@pytest.mark.parametrize(
    "uri", ["ms://zai-org/glm-4-9b-chat", "hf://ZhipuAI/glm-4-9b-chat", "s3://zhipuai/glm-4-9b-chat"]
)
def test_a_name_under_another_owner_is_another_model(uri: str) -> None:
    assert known_by_uri(uri) is None
