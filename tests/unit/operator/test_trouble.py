"""Why a pod does not serve: each state that a user meets, the word for it, and what the sentence tells."""

from dataclasses import replace

import pytest

from edgeglm_operator.observed import Container, Pod
from edgeglm_operator.reconcile.status.last_words import cause_of, telling_line
from edgeglm_operator.reconcile.status.trouble import Expectation, trouble_of
from tests.unit.operator.builders import NOW, a_pod

EXPECTED = Expectation(
    startup_seconds=1800,
    deadline_seconds=3600,
    logs="kubectl -n plant logs deploy/llm",
    weights="file:///srv/glm",
    accelerator="nvidia.com/gpu",
    image_field="spec.engine.image",
)

MINUTE_AGO = "2026-11-22T11:59:00Z"
HALF_HOUR_AGO = "2026-11-22T11:30:00Z"
YESTERDAY = "2026-11-21T12:00:00Z"


def running(*, since: str = MINUTE_AGO, **rest: object) -> Container:
    return Container(**{"name": "engine", "running": True, "running_since": since} | rest)  # type: ignore[arg-type]


def waiting(reason: str, message: str = "") -> Container:
    return Container(name="engine", waiting_reason=reason, waiting_message=message)


def ended(message: str = "", *, code: int = 1, reason: str = "Error") -> Container:
    return Container(name="engine", ended=True, exit_code=code, ended_reason=reason, ended_message=message, restarts=2)


def unscheduled(message: str) -> Pod:
    return a_pod(scheduled=False, node="", scheduling_message=message)


STATES = [
    # Not placed. The messages are the scheduler's own, of Kubernetes 1.36.
    (unscheduled(""), "Scheduling", "not placed it yet"),
    (
        unscheduled(
            "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 2 Insufficient cpu."
        ),
        "Unschedulable",
        "2 Insufficient cpu",
    ),
    (
        unscheduled("0/2 nodes are available: 2 Insufficient nvidia.com/gpu. no new claims to deallocate."),
        "WaitingForGPU",
        "enough free nvidia.com/gpu",
    ),
    (
        unscheduled("0/2 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."),
        "HostPortConflict",
        "choose another port",
    ),
    (
        unscheduled('0/2 nodes are available: persistentvolumeclaim "weights" not found.'),
        "WeightsMissing",
        "correct the uri",
    ),
    (
        unscheduled("0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
        "WeightsMissing",
        "the claim",
    ),
    # Placed, not started.
    (
        a_pod(waiting("ErrImagePull", "not found")),
        "ImagePull",
        "on node box-1: not found; check its name in spec.engine",
    ),
    (a_pod(waiting("ImagePullBackOff")), "ImagePull", "ImagePullBackOff"),
    (a_pod(waiting("ErrImageNeverPull")), "ImagePull", "cannot be pulled"),
    (a_pod(waiting("InvalidImageName", "couldn't parse")), "ImagePull", "couldn't parse"),
    (
        a_pod(waiting("CreateContainerConfigError", 'secret "hub" not found')),
        "SecretMissing",
        'secret "hub" not found; make the Secret',
    ),
    (
        a_pod(waiting("CreateContainerConfigError", "couldn't find key token in Secret plant/hub")),
        "SecretMissing",
        "correct its name and key",
    ),
    (a_pod(waiting("RunContainerError", "OCI runtime: nvidia hook")), "ContainerRefused", "nvidia hook"),
    (
        a_pod(waiting("ContainerCreating"), sandbox_ready=False),
        "WeightsMissing",
        "file:///srv/glm cannot be mounted on",
    ),
    (a_pod(waiting("ContainerCreating"), sandbox_ready=False, started=NOW), "Creating", "pulling the image or making"),
    (a_pod(waiting("ContainerCreating"), sandbox_ready=True), "Creating", "pulling the image"),
    (a_pod(waiting("ContainerCreating")), "Creating", "pulling the image"),
    (a_pod(), "Creating", "node box-1"),
    # Started, and not there yet.
    (a_pod(running()), "Starting", "loading on node box-1"),
    (a_pod(running(since=HALF_HOUR_AGO)), "SlowStart", "half of the 1800 s of spec.timeouts.startupSeconds"),
    (a_pod(running(started=True)), "NotAnswering", "does not answer its health check"),
    # Ended.
    (a_pod(ended("boom")), "CrashLoop", "ended with exit status 1: boom; see `kubectl -n plant logs deploy/llm --prev"),
    (a_pod(ended(code=0, reason="Completed")), "CrashLoop", "exit status 0"),
    (a_pod(ended(code=137, reason="OOMKilled")), "OutOfMemory", "raise resources.limits.memory"),
    (a_pod(ended("torch.OutOfMemoryError: CUDA out of memory.")), "OutOfGPUMemory", "lower engine.maxModelLen"),
    (a_pod(running(ended=True, ended_message="OSError: Address already in use")), "HostPortConflict", "another port"),
    (a_pod(phase="Failed", phase_reason="Evicted"), "Evicted", "Kubernetes makes another"),
    # An init container that did its work is no trouble, one that failed is.
    (a_pod(Container(name="own-data", init=True, ended=True), running()), "Starting", "loading"),
    (
        a_pod(Container(name="own-data", init=True, ended=True, exit_code=1, ended_message="chown: denied")),
        "CrashLoop",
        "container own-data on node box-1 ended with exit status 1: chown: denied",
    ),
]


@pytest.mark.parametrize(("pod", "reason", "says"), STATES)
def test_each_state_of_a_pod_has_its_word(pod: Pod, reason: str, says: str) -> None:
    trouble = trouble_of(pod, EXPECTED, NOW)
    assert trouble is not None
    assert trouble.reason == reason
    assert says in trouble.message


@pytest.mark.parametrize("pod", [a_pod(ready=True), a_pod(deleting=True), a_pod(phase="Succeeded")])
def test_a_pod_that_serves_or_goes_is_no_trouble(pod: Pod) -> None:
    assert trouble_of(pod, EXPECTED, NOW) is None


PLACED = replace(
    EXPECTED,
    weights="",
    claim_template="one-gpu",
    node_fields=("spec.cloud.accelerator.products (label nvidia.com/gpu.product)", "spec.cloud.nodeSelector"),
    own_volumes=("corpus",),
)
WISHES = [
    # The messages are the scheduler's own, of Kubernetes 1.36.
    (
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate.",
        "Unschedulable",
        "accelerator.products (label nvidia.com/gpu.product) and spec.cloud.nodeSelector: correct that, or add such",
    ),
    (
        "0/2 nodes are available: 1 cannot allocate all claims, 1 node(s) didn't match Pod's node affinity/selector.",
        "WaitingForGPU",
        "enough free devices for spec.cloud.accelerator.claimTemplateName one-gpu",
    ),
    ("request gpu: device class gpu does not exist", "Unschedulable", "one-gpu: request gpu: device"),
    (
        '0/2 nodes are available: persistentvolumeclaim "corpus" not found.',
        "VolumesNotMounted",
        "a claim of spec.cloud.volumes cannot be used",
    ),
    ("0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.", "VolumesNotMounted", "make it"),
    ('0/2 nodes are available: persistentvolumeclaim "weights" not found.', "WeightsMissing", "correct the uri"),
]


@pytest.mark.parametrize(("said", "reason", "says"), WISHES)
def test_the_field_that_asks_for_what_nobody_has_is_named(said: str, reason: str, says: str) -> None:
    trouble = trouble_of(unscheduled(said), PLACED, NOW)
    assert trouble is not None
    assert trouble.reason == reason
    assert says in trouble.message


def test_a_claim_that_is_not_made_is_told_though_the_scheduler_says_nothing() -> None:
    without, with_one = (
        trouble_of(a_pod(scheduled=False, node="", has_claims=made), PLACED, NOW) for made in (False, True)
    )
    assert without is not None
    assert without.message.startswith("no claim has been made by spec.cloud.accelerator.claimTemplateName one-gpu")
    assert with_one is not None
    assert with_one.message == "the scheduler has not placed it yet"


def test_where_weights_and_volumes_are_mounted_neither_is_blamed() -> None:
    both = replace(EXPECTED, own_volumes=("corpus",))
    trouble = trouble_of(a_pod(waiting("ContainerCreating"), sandbox_ready=False), both, NOW)
    assert trouble is not None
    assert trouble.reason == "VolumesNotMounted"


def test_a_pod_is_overdue_once_it_is_older_than_its_deadline() -> None:
    young, old = (trouble_of(a_pod(running(), created=at), EXPECTED, NOW) for at in (HALF_HOUR_AGO, YESTERDAY))
    assert young is not None
    assert old is not None
    assert (young.is_overdue, old.is_overdue) == (False, True)


def test_volumes_of_other_pods_are_not_called_weights() -> None:
    agent = Expectation(startup_seconds=120, deadline_seconds=600, logs="…")
    trouble = trouble_of(a_pod(waiting("ContainerCreating"), sandbox_ready=False), agent, NOW)
    assert trouble is not None
    assert trouble.reason == "VolumesNotMounted"


NO_SUCH_PATH = """\
    raise HFValidationError(
huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/models/x'
"""
EMPTY_DIRECTORY = """\
   - For Hugging Face models: ensure the presence of a 'config.json'.
   - For Mistral models: ensure the presence of a 'params.json'.
 [type=value_error, input_value=ArgsKwargs((), {'model': ...nderer_num_workers': 1}), input_type=ArgsKwargs]
    For further information visit https://errors.pydantic.dev/2.14/v/value_error
"""
OFFLINE = """\
    raise LocalEntryNotFoundError(
huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder for the specified
"""
CACHE_TOO_SMALL = """\
  File "vllm/v1/core/kv_cache_utils.py", line 1030, in _check_enough_kv_cache_memory
    raise ValueError(
ValueError: To serve at least one request with the model's max seq len (8192), (0.18 GiB KV cache is needed, which is \
larger than the available KV cache memory (0.02 GiB). Based on the available memory, the estimated maximum model \
length is 768. Try increasing `gpu_memory_utilization` or decreasing `max_model_len`.
(EngineCore pid=22683) ERROR 11-22 09:15:46 [vllm.v1.executor.multiproc_executor:315] Worker proc VllmWorker-0 died \
unexpectedly (exit code: 0), shutting down executor.
"""
NO_CACHE_AT_ALL = """\
ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`.
(EngineCore pid=12370) ERROR 11-22 09:11:25 [vllm.v1.executor.multiproc_executor:315] Worker proc VllmWorker-0 died \
unexpectedly (exit code: None), shutting down executor.
"""
TAKEN_BY_OTHERS = "ValueError: Free memory on device … is less than desired GPU memory utilization"

WORDS = [
    # Recorded from vLLM 0.32 that was given a path which is not there, an empty directory, a hub id while offline, and
    # caches of 20 and of 1 MiB.
    ("Repo id must be", NO_SUCH_PATH, "WeightsMissing"),
    ("config.json", EMPTY_DIRECTORY, "WeightsMissing"),
    ("LocalEntryNotFoundError", OFFLINE, "WeightsMissing"),
    ("the estimated maximum model length is 768", CACHE_TOO_SMALL, "OutOfGPUMemory"),
    ("No available memory", NO_CACHE_AT_ALL, "OutOfGPUMemory"),
    # From the source of vLLM 0.32 and of the libraries under it; not run.
    ("less than desired", TAKEN_BY_OTHERS, "OutOfGPUMemory"),
    # The engine is offline, and something it wants does not lie beside the weights.
    ("connect", "OSError: We couldn't connect to 'https://hub' to load the files", "WeightsMissing"),
    ("unrecognized", "vllm serve: error: unrecognized arguments: --swap-space=4", "InvalidArgument"),
]


@pytest.mark.parametrize(("part", "words", "reason"), WORDS)
def test_last_words_that_are_known_tell_the_cause(part: str, words: str, reason: str) -> None:
    found = cause_of(f"INFO 11-22 08:40:00 [a.py:1] starting\n{words}\n")
    assert found is not None
    cause, line = found
    assert cause.reason == reason
    assert part in line


def test_what_changes_from_run_to_run_is_left_out() -> None:
    """A message that changed with each restart would be written again each time."""
    one, other = (
        telling_line(f"(EngineCore_0 pid={pid}) ERROR 11-22 08:4{pid}:00 [core.py:700] RuntimeError: boom\nbye")
        for pid in (1, 2)
    )
    assert one == other == "RuntimeError: boom"


def test_unknown_words_are_quoted_by_the_line_that_names_an_error() -> None:
    assert telling_line("a\nValueError: no\n  at end\n") == "ValueError: no"
    assert telling_line("a\nlast line\n\n") == "last line"
    assert telling_line("") == ""
    assert cause_of("all is well") is None
    assert len(telling_line("x" * 5000)) == 400
