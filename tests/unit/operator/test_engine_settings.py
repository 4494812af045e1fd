"""Status and `explain` show each setting that holds, and where it was said."""

from hypothesis import given
from hypothesis import strategies as st

from edgeglm_api.inference_service import Engine
from edgeglm_api.model import read
from edgeglm_operator.resources.effective_engine import merge
from edgeglm_operator.resources.engine_settings import LONGEST, effective_engines, said
from edgeglm_operator.settings import Settings
from tests.unit.operator.builders import a_target, an_inference_service

SETTINGS = Settings(engine_image="installed")


def test_each_setting_is_shown_with_where_it_was_said() -> None:
    service = an_inference_service(
        preset="glm-4-9b-chat@1",
        engine={"maxNumSeqs": 64, "scheduling": {"policy": "Priority", "maxQueuedRequests": 512}},
        cloud={"accelerator": {"count": 2}},
        edge=[
            a_target(
                engine={"maxModelLen": 8192, "scheduling": {"maxQueuedRequests": 8}, "image": "own", "dtype": "float16"}
            )
        ],
    )
    cloud, edge = effective_engines(service, SETTINGS)
    assert [(one.name, one.value, one.origin) for one in cloud.settings] == [
        ("image", "installed", "the operator's settings"),
        ("parallelism.tensor", "2", "spec.cloud.accelerator.count"),
        ("maxModelLen", "32768", "preset glm-4-9b-chat@1"),
        ("dtype", "bfloat16", "preset glm-4-9b-chat@1"),
        ("trustRemoteCode", "true", "preset glm-4-9b-chat@1"),
        ("maxNumSeqs", "64", "spec.engine"),
        ("scheduling.policy", "Priority", "spec.engine"),
        ("scheduling.maxQueuedRequests", "512", "spec.engine"),
    ]
    assert (cloud.place, edge.place) == ("spec.cloud", "spec.edge[plants]")
    of_target = {one.name for one in edge.settings if one.origin == "spec.edge[plants].engine"}
    assert of_target == {"image", "maxModelLen", "dtype", "scheduling.maxQueuedRequests"}


def test_items_are_shown_one_by_one_and_flags_together() -> None:
    service = an_inference_service(
        engine={
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}],
            "extraArgs": ["--middleware=a", "--seed=1", "--middleware=b"],
            "imagePullSecrets": [{"name": "x"}],
        },
        edge=[a_target(engine={"env": [{"name": "B", "value": "2"}], "extraArgs": ["--middleware=c"]})],
    )
    (edge,) = effective_engines(service, SETTINGS)
    assert {one.name: (one.value, one.origin) for one in edge.settings if one.name != "image"} == {
        "imagePullSecrets[x]": ("x", "spec.engine"),
        "env[A]": ("1", "spec.engine"),
        "env[B]": ("2", "spec.edge[plants].engine"),
        "extraArgs[--middleware]": ("--middleware=c", "spec.edge[plants].engine"),
        "extraArgs[--seed]": ("--seed=1", "spec.engine"),
    }


def test_a_long_value_is_cut() -> None:
    service = an_inference_service(engine={"chatTemplate": "x" * 16384})
    (cloud,) = effective_engines(service, SETTINGS)
    (template,) = [one for one in cloud.settings if one.name == "chatTemplate"]
    assert len(template.value) == LONGEST
    assert template.value.endswith("…")


engines = st.fixed_dictionaries(
    {},
    optional={
        "image": st.sampled_from(["a", "b"]),
        "maxModelLen": st.integers(1, 3),
        "prefixCaching": st.booleans(),
        "scheduling": st.fixed_dictionaries({}, optional={"maxQueuedRequests": st.integers(1, 3)}),
        "parallelism": st.fixed_dictionaries({}, optional={"tensor": st.integers(1, 3), "expert": st.booleans()}),
        "env": st.lists(st.fixed_dictionaries({"name": st.sampled_from("ABC")}), unique_by=lambda one: one["name"]),
        "extraArgs": st.lists(st.sampled_from(["--a", "--no-a", "--b=1", "--b=2", "--b_c"])),
    },
).map(lambda raw: read(raw, Engine))


@given(engines, engines, engines)
def test_what_is_shown_is_what_holds(lower: Engine, middle: Engine, upper: Engine) -> None:
    """The list, merged name by name, says the same as the engine, merged field by field."""
    shown = dict(said(lower)) | dict(said(middle)) | dict(said(upper))
    assert shown == dict(said(merge(merge(lower, middle), upper)))
