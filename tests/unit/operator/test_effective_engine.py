"""Precedence: vLLM's own defaults < spec.engine < the target's engine, field by field, env by name, args by flag."""

from edgeglm_api.inference_service import Engine, EnvVar, Parallelism, Scheduling
from edgeglm_operator.resources.effective_engine import asked_engine, effective_engine, merge
from edgeglm_operator.settings import Settings
from tests.unit.operator.builders import a_target, an_inference_service


def test_a_target_wins_field_by_field() -> None:
    service = an_inference_service(
        engine={"maxModelLen": 32768, "maxNumSeqs": 256, "prefixCaching": True},
        edge=[a_target(engine={"maxModelLen": 8192, "prefixCaching": False})],
    )
    engine = asked_engine(service, service.spec.edge[0])
    assert (engine.max_model_len, engine.max_num_seqs, engine.prefix_caching) == (8192, 256, False)
    assert asked_engine(service, None) is service.spec.engine


def test_objects_are_merged_field_by_field_too() -> None:
    service = an_inference_service(
        engine={"scheduling": {"policy": "Priority", "maxQueuedRequests": 512}, "parallelism": {"tensor": 2}},
        edge=[a_target(engine={"scheduling": {"maxQueuedRequests": 8}, "parallelism": {"expert": True}})],
    )
    engine = asked_engine(service, service.spec.edge[0])
    assert engine.scheduling == Scheduling(policy="Priority", max_queued_requests=8)
    assert engine.parallelism == Parallelism(tensor=2, expert=True)


def test_the_operator_adds_the_image_and_the_accelerators() -> None:
    service = an_inference_service(cloud={"accelerator": {"count": 4}}, edge=[a_target(engine={"image": "own"})])
    settings = Settings(engine_image="installed")
    assert effective_engine(service, None, settings) == Engine(image="installed", parallelism=Parallelism(tensor=4))
    assert effective_engine(service, service.spec.edge[0], settings) == Engine(image="own")


def test_extra_args_are_replaced_flag_by_flag() -> None:
    base = Engine(extra_args=("--enforce-eager", "--seed=1", "--middleware=a", "--middleware=b"))
    over = Engine(extra_args=("--no-enforce-eager", "--middleware=c"))
    assert merge(base, over).extra_args == ("--seed=1", "--no-enforce-eager", "--middleware=c")


def test_env_is_replaced_name_by_name() -> None:
    base = Engine(env=(EnvVar(name="A", value="1"), EnvVar(name="B", value="1")))
    over = Engine(env=(EnvVar(name="B", value="2"), EnvVar(name="C", value="2")))
    assert [(at.name, at.value) for at in merge(base, over).env] == [("A", "1"), ("B", "2"), ("C", "2")]


def test_nothing_over_something_changes_nothing() -> None:
    base = Engine(dtype="half", extra_args=("--a",), env=(EnvVar(name="A"),), prefix_caching=False)
    assert merge(base, Engine()) == base
