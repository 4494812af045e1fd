"""Presets: known good, and never changed once they have a number."""

import hashlib
import json
from typing import Final

import msgspec
import pytest

from edgeglm_operator.offline.crds import our_crds
from edgeglm_operator.offline.schema_check import schema_faults
from edgeglm_operator.reconcile.accept import accept
from edgeglm_operator.resources.effective_engine import asked_engine
from edgeglm_operator.resources.presets import PRESETS
from tests.unit.operator.builders import a_target, an_inference_service

DIGESTS: Final = {
    "glm-4-9b-chat@1": "54a350981c1ce0a0",
    "glm-4-9b-chat-hf@1": "e6226289a98607ef",
    "glm-4-9b-0414@1": "e6226289a98607ef",
    "glm-4.5-air@1": "d066d01459c1d921",
    "glm-edge@1": "f6aa024cca4f2bba",
    "autoglm-phone-9b@1": "fc82115ffd2c8ffc",
    "generic@1": "3112e4a412f78c6f",
}
"""Only ever added to: a change of a preset would restart what serves with it."""

SPEC = our_crds()["InferenceService"].schema["properties"]["spec"]["properties"]


def digest(preset: str) -> str:
    return hashlib.sha256(msgspec.json.encode(PRESETS[preset], order="deterministic")).hexdigest()[:16]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_with_a_number_never_changes(preset: str) -> None:
    assert digest(preset) == DIGESTS[preset], "give what is better a new number, and leave this one"


def test_no_preset_is_ever_taken_away() -> None:
    assert set(DIGESTS) == set(PRESETS)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_says_what_a_user_could_say(preset: str) -> None:
    assert schema_faults(SPEC["preset"], preset) == []
    as_json = json.loads(msgspec.json.encode(PRESETS[preset]))
    assert schema_faults(SPEC["engine"], as_json) == []
    assert accept(an_inference_service(engine=as_json)) is None
    assert accept(an_inference_service(preset=preset)) is None


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_leaves_the_hardware_and_the_pods_files_alone(preset: str) -> None:
    engine = PRESETS[preset]
    assert (engine.image, engine.parallelism, engine.quantization, engine.env) == (None, None, None, ())
    assert not any("local-media" in argument for argument in engine.extra_args)


def test_an_unknown_preset_is_refused_with_those_that_are_known() -> None:
    refused = accept(an_inference_service(preset="glm-4-9b-chat@2"))
    assert refused is not None
    assert refused.reason == "UnknownPreset"
    assert refused.message.startswith("spec.preset: glm-4-9b-chat@2 is not known; known are glm-4-9b-chat@1, ")


def test_a_preset_is_below_spec_engine_and_that_below_the_target() -> None:
    service = an_inference_service(
        preset="glm-4-9b-chat@1",
        engine={"dtype": "float16", "maxNumSeqs": 64},
        edge=[a_target(engine={"maxNumSeqs": 16, "trustRemoteCode": False})],
    )
    engine = asked_engine(service, service.spec.edge[0])
    assert (engine.max_model_len, engine.dtype, engine.max_num_seqs) == (32768, "float16", 16)
    assert engine.trust_remote_code is False


def test_a_flag_of_a_preset_can_be_overruled() -> None:
    service = an_inference_service(
        preset="autoglm-phone-9b@1",
        engine={"extraArgs": ['--limit-mm-per-prompt={"image":1}', "--no-enable-log-requests"]},
    )
    arguments = asked_engine(service, None).extra_args
    assert [argument for argument in arguments if "limit-mm" in argument] == ['--limit-mm-per-prompt={"image":1}']
    assert "--mm-processor-cache-type=shm" in arguments
