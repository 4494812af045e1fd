"""The arguments that the operator makes, held against vLLM's own parser: all in one process, since it starts slowly."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgeglm_api.inference_service import InferenceService
from edgeglm_operator.offline.check import model_of
from edgeglm_operator.offline.documents import Document
from edgeglm_operator.resources.cloud_deployment import make_cloud_deployment
from edgeglm_operator.resources.edge_deployment import make_edge_deployment
from edgeglm_operator.resources.flags import OWNED_FLAGS, owner_of_flag
from edgeglm_operator.resources.leader_worker_set import in_its_kind
from edgeglm_operator.resources.presets import PRESETS
from edgeglm_operator.settings import Settings
from tests.cluster.need import skip_or_fail
from tests.engine.place import environment, is_set_up
from tests.unit.operator.builders import an_inference_service
from tests.unit.operator.test_flags import KNOWN_FLAGS, taken_for

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
FILES = (
    *sorted(ROOT.glob("examples/*/*.yaml")),
    *(ROOT / "tests" / "golden" / case / "in.yaml" for case in ("cloud-full", "cloud-groups", "adapters")),
)
OF_A_GROUP = {"$(LWS_WORKER_INDEX)": "1", "$(LWS_LEADER_ADDRESS)": "large-nodes-0.large-nodes.plant"}
"""What LeaderWorkerSet says to a pod."""
HERE = Path(__file__).parent


def services() -> dict[str, InferenceService]:
    """All that the examples serve, one of each preset, and one with every field of the engine set."""
    found = {f"preset {preset}": an_inference_service(preset=preset) for preset in PRESETS}
    for path in FILES:
        for raw in yaml.safe_load_all(path.read_text()):
            if raw and raw["kind"] == "InferenceService":
                service = model_of(Document(str(path), raw))
                assert isinstance(service, InferenceService)
                found[f"{path.relative_to(ROOT)}: {raw['metadata']['name']}"] = service
    return found


def argvs() -> dict[str, list[str]]:
    """The arguments at each place of each service, as the kubelet passes them on."""
    found = {}
    for name, service in services().items():
        if service.spec.cloud is not None:
            made = make_cloud_deployment(service, Settings())
            found[f"{name} in the cloud"] = _arguments(made["spec"]["template"])
            groups = in_its_kind(made, service)["spec"].get("leaderWorkerTemplate")
            if groups:
                found[f"{name} on further nodes"] = _arguments(groups["workerTemplate"])
        for target in service.spec.edge:
            made = make_edge_deployment(service, target, "box-1", Settings())
            found[f"{name} at {target.name}"] = _arguments(made["spec"]["template"])
    return found


def _arguments(template: dict[str, Any]) -> list[str]:
    arguments = template["spec"]["containers"][0]["args"]
    for variable, value in OF_A_GROUP.items():
        arguments = [argument.replace(variable, value) for argument in arguments]
    return [argument.replace("$$(", "$(") for argument in arguments]


def spellings() -> list[str]:
    """Every beginning of every flag."""
    return sorted({flag[:length] for flag in KNOWN_FLAGS for length in range(3, len(flag) + 1)})


@pytest.fixture(scope="module")
def answer() -> Any:
    """What vLLM says of all of it."""
    if not is_set_up():
        skip_or_fail("no vLLM for the CPU", "make engine sets it up (about 4 GB)")
    wrong = [["model", "--no-such-flag"], ["model", "--max-model-len=x"], ["model", "--enable-auto-tool-choice"]]
    question = {"argvs": [*argvs().values(), *wrong], "spellings": spellings()}
    done = subprocess.run(
        [environment() / "bin" / "python", HERE / "parse_flags.py"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={"HOME": "/nonexistent", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_vllm_takes_the_arguments_of_every_example_and_of_every_field(answer: Any) -> None:
    wanted = argvs()
    said = dict(zip(wanted, answer["faults"], strict=False))
    assert {name: fault for name, fault in said.items() if fault} == {}
    assert len(said) >= 5
    assert any("--headless" in argv for argv in wanted.values())


def test_vllm_refuses_what_is_wrong(answer: Any) -> None:
    """The test of the test."""
    said = answer["faults"][-3:]
    assert "unrecognized arguments: --no-such-flag" in said[0]
    assert "--max-model-len: invalid" in said[1]
    assert "requires --tool-call-parser" in said[2]


def test_the_list_of_flags_is_vllms_own(answer: Any) -> None:
    options = {option for options in answer["options"].values() for option in options if option.startswith("--")}
    assert options - {"--help"} == set(KNOWN_FLAGS) - {"--help"}


def test_what_vllm_takes_for_an_owned_flag_is_refused(answer: Any) -> None:
    """Aliases and shortened forms, as vLLM's own parser resolves them."""
    owned = {
        option for options in answer["options"].values() if OWNED_FLAGS.keys() & set(options) for option in options
    }
    taken = {spelling: option for spelling, option in answer["taken"].items() if option in owned}
    assert len(taken) > 200
    assert [spelling for spelling in taken if owner_of_flag(spelling) is None] == []


def test_the_parser_of_the_unit_tests_reads_as_vllms_does(answer: Any) -> None:
    aliases = {option: set(options) for options in answer["options"].values() for option in options}
    for spelling, option in answer["taken"].items():
        ours = taken_for(spelling)
        assert ours is None or ours in aliases.get(option or "", set()), spelling
