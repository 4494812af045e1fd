r"""How fast the operator turns InferenceServices into children and status, beside the limits of the same machine.

    make bench-operator                       # 100, 1,000 and 5,000 services; about half an hour on two cores
    .venv/bin/python -m bench.operator_scale --sizes 100,300

A real control plane of its own. In the same run, one after the other:

(a) the API server's limit: bare server-side apply of Deployments, 32 at once;
(b) what kube-controller-manager makes of them: Deployments whose pod exists, a second;
(c) the operator, with the rights of the chart: the services are there, then it starts, and every service has all its
    children and its first status.

(d) the same children and first status, taken from there, written by the bare client of (a): they are larger than the
    Deployments of (a), and two of three are of other kinds.

kube-controller-manager and the scheduler rest during (a), (c) and (d): on two cores they are the slowest part by far,
and what is to be compared is who writes how much to one API server. Between (c) and (d) come the delay from a change
of a spec to the change of its child, what it costs to tell that all replicas are ready (the bench says so in their
place), what a minute at rest and a full list cost after that, and what a restart over the whole fleet sends.

The last line is one line of JSON with every figure. A fleet that came to no end says why in it, and the next begins.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from bench.kube_load import KubeLoad, Manifest
from bench.machine import cpu_seconds, rss_mib
from bench.same_writes import same_writes_a_second
from tests.chart.kubectl import Kubectl
from tests.cluster.api import Api
from tests.cluster.cluster import Cluster
from tests.cluster.instance import claim_instance
from tests.cluster.operator.chart import SYSTEM, install_without_operator
from tests.cluster.operator.process import OperatorProcess
from tests.cluster.progress import step
from tests.reconcile.builders import an_inference_service

ACCOUNT: Final = "edgeglm"
CONTROLLERS: Final = ("kube-scheduler", "kube-controller-manager")
LIMIT_DEPLOYMENTS: Final = 1000
POD_DEPLOYMENTS: Final = 100
LATENCY_AT: Final = 1000
CHANGES: Final = 200
WRITES: Final = 3
"""Of a new service: its Deployment, its Service, its first status."""
REST_SECONDS: Final = 60
BOUND_SECONDS: Final = 3600
"""Of each wait, on a machine that others use as well; an operator that has ended is noticed at once."""
RESYNC_SECONDS: Final = 600

Figures = dict[str, float | str]


def main() -> int:
    """Bring a control plane up, measure, print, take it down."""
    options = _parser().parse_args()
    cluster = Cluster(claim_instance("benchop"))
    try:
        cluster.up()
        figures = asyncio.run(measure(cluster, options.sizes))
    finally:
        cluster.down()
    machine = {"machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"}
    sys.stdout.write(json.dumps(machine | figures) + "\n")
    return 0


async def measure(cluster: Cluster, sizes: Sequence[int]) -> dict[str, Any]:
    """All figures of one run."""
    kubectl = Kubectl(cluster.kubeconfig)
    install_without_operator(kubectl)
    async with KubeLoad(_administrator(cluster, kubectl)) as load:
        pods = await pods_a_second(cluster, load)
        limit = await limit_of(load)
        fleets = {str(size): await _to_an_end(_fleet(cluster, load, size, limit)) for size in sizes}
    return {"applyLimitPerSecond": round(limit), "deploymentsToPodsPerSecond": round(pods, 1), "services": fleets}


async def pods_a_second(cluster: Cluster, load: KubeLoad) -> float:
    """(b): Deployments whose pod was made, a second. Leaves kube-controller-manager and the scheduler stopped."""
    deployments = _deployments("bench-pods", POD_DEPLOYMENTS)
    with step(f"(b) kube-controller-manager turns {POD_DEPLOYMENTS} Deployments into pods"):
        await _namespace(load, "bench-pods")
        began = time.monotonic()
        await load.apply_all(deployments)
        await _until(lambda: _count(load, "/api/v1/namespaces/bench-pods/pods", POD_DEPLOYMENTS))
        rate = POD_DEPLOYMENTS / (time.monotonic() - began)
    await load.delete_all(deployments)
    for name in CONTROLLERS:
        cluster.control_plane.processes.stop(name, grace_seconds=5)
    return rate


async def limit_of(load: KubeLoad) -> float:
    """(a): how many server-side applies of new Deployments the API server takes, a second."""
    deployments = _deployments("bench-limit", LIMIT_DEPLOYMENTS)
    await _namespace(load, "bench-limit")
    with step(f"(a) bare server-side apply of {LIMIT_DEPLOYMENTS} Deployments"):
        began = time.monotonic()
        await load.apply_all(deployments)
        rate = LIMIT_DEPLOYMENTS / (time.monotonic() - began)
    await load.delete_all(deployments)
    return rate


async def _to_an_end(fleet: Awaitable[Figures]) -> Figures:
    try:
        return await fleet
    except (OperatorEndedError, TimeoutError) as error:
        return {"failed": f"{type(error).__name__}: {error}"}


async def _fleet(cluster: Cluster, load: KubeLoad, size: int, limit: float) -> Figures:
    namespace = f"bench-{size}"
    await _namespace(load, namespace)
    services = {f"{_services(namespace)}/s{n}": _service(namespace, n) for n in range(size)}
    with step(f"{size} InferenceServices are made"):
        await load.apply_all(services)
    with _operator(cluster, namespace) as operator:
        figures = await _converge(load, operator, namespace, size)
        figures["shareOfLimit"] = round(float(figures["writesPerSecond"]) / limit, 2)
        if size == LATENCY_AT:
            figures |= await _latency(load, operator, namespace)
        figures |= await _ready(load, operator, namespace, size)
        figures |= await _rest(operator)
    with _operator(cluster, namespace) as operator:
        figures |= await _restart(operator)
    if size == LATENCY_AT:
        with step("(d) the same children and status, written by a bare client"):
            same = await same_writes_a_second(load, namespace, services)
        figures |= {"sameWritesPerSecond": round(same)}
        figures |= {"shareOfSameWrites": round(float(figures["writesPerSecond"]) / same, 2)}
    await load.delete_all(services)
    children = ("/apis/apps/v1", "deployments"), ("/api/v1", "services")
    for group, plural in children:  # the garbage collector rests
        await load.delete_all(f"{group}/namespaces/{namespace}/{plural}/s{n}" for n in range(size))
    return figures


async def _converge(load: KubeLoad, operator: OperatorProcess, namespace: str, size: int) -> Figures:
    """(c): from the operator's first moment in charge to the last first status."""
    with step(f"(c) the operator makes children and status of {size} InferenceServices"):
        operator.launch()
        await _until(lambda: _leads(operator))
        began, used = time.monotonic(), cpu_seconds(operator.process.pid)
        await _until(lambda: _wrote(operator, WRITES * size), every_seconds=_patience(size))
        await _until(lambda: _told(load, operator, namespace, size), every_seconds=_patience(size))
        took = time.monotonic() - began
        await _until(lambda: _quiet(operator))
    return {
        "convergedSeconds": round(took, 1),
        "writesPerSecond": round(_writes(operator) / took),
        "processorSeconds": round(cpu_seconds(operator.process.pid) - used, 1),
        "requests": operator.metric("edgeglm_api_request_seconds_count"),
        "rssMiB": round(rss_mib(operator.process.pid)),
    }


async def _latency(load: KubeLoad, operator: OperatorProcess, namespace: str) -> Figures:
    """One spec after the other is changed while all others idle: until the watch shows its child changed."""
    with step(f"{CHANGES} changes of a spec, one after the other"):
        deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        changes = load.watch(deployments, await load.version(deployments))
        taken = []
        for number in range(CHANGES):
            patch = {"spec": {"engine": {"maxModelLen": 4096 + number}}}
            await load.merge(f"{_services(namespace)}/s{number}", patch)
            began = time.monotonic()
            async for change in changes:
                if change["object"]["metadata"]["name"] == f"s{number}":
                    break
            taken.append(time.monotonic() - began)
        await _until(lambda: _quiet(operator))
    cuts = quantiles(taken, n=100)
    return {"changeP50Milliseconds": round(cuts[49] * 1000), "changeP99Milliseconds": round(cuts[98] * 1000)}


async def _ready(load: KubeLoad, operator: OperatorProcess, namespace: str, size: int) -> Figures:
    """From when all Deployments say that they are ready to when all services do."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    with step(f"{size} Deployments are ready"):
        began, used, wrote = time.monotonic(), cpu_seconds(operator.process.pid), _writes(operator)
        generations = {each["metadata"]["name"]: each["metadata"]["generation"] for each in await load.items(path)}
        await load.merge_all({f"{path}/{name}/status": _serving(number) for name, number in generations.items()})
        await _until(lambda: _wrote(operator, wrote + size), every_seconds=_patience(size))
        await _until(lambda: _all_ready(load, operator, namespace, size), every_seconds=_patience(size))
        took = time.monotonic() - began
        await _until(lambda: _quiet(operator))
    return {"readySeconds": round(took, 1), "readyProcessorSeconds": round(cpu_seconds(operator.process.pid) - used, 1)}


async def _rest(operator: OperatorProcess) -> Figures:
    """What a minute costs in which nobody asks for anything, and what the full list costs that comes every ten minutes.

    The first list comes soon after the start, and what it asks for is done within a minute.
    """
    with step(f"the first full list, and {REST_SECONDS} s at rest"):
        used, writes = cpu_seconds(operator.process.pid), _writes(operator)
        await _until(lambda: _listed_again(operator))
        await asyncio.sleep(RESYNC_SECONDS / 10)
        await _until(lambda: _quiet(operator))
        listing = cpu_seconds(operator.process.pid) - used
        used = cpu_seconds(operator.process.pid)
        await asyncio.sleep(REST_SECONDS)
        percent = 100 * (cpu_seconds(operator.process.pid) - used) / REST_SECONDS
    return {
        "restProcessorPercent": round(percent, 2),
        "restProcessorPercentWithLists": round(percent + 100 * listing / RESYNC_SECONDS, 2),
        "restWrites": _writes(operator) - writes,
        "restRssMiB": round(rss_mib(operator.process.pid)),
    }


async def _restart(operator: OperatorProcess) -> Figures:
    """A new process over a fleet that is as it should be: until everything was looked at once."""
    with step("a restart over the same fleet"):
        began = time.monotonic()
        operator.launch()
        await _until(lambda: _leads(operator))
        ready = time.monotonic() - began
        await _until(lambda: _quiet(operator))
    return {
        "restartReadySeconds": round(ready, 1),
        "restartLookedAtSeconds": round(time.monotonic() - began, 1),
        "restartWrites": _writes(operator),
        "restartRssMiB": round(rss_mib(operator.process.pid)),
    }


@contextmanager
def _operator(cluster: Cluster, namespace: str) -> Iterator[OperatorProcess]:
    """An operator with the rights of the chart, not started yet; ended at the end."""
    with tempfile.TemporaryDirectory() as directory:
        kubeconfig = Kubectl(cluster.kubeconfig).kubeconfig_of(ACCOUNT, SYSTEM, Path(directory))
        log = Path(directory) / "operator.log"
        operator = OperatorProcess(kubeconfig, log, "--namespace", SYSTEM, "--log-level", "WARNING", name=namespace)
        try:
            yield operator
        finally:
            operator.stop()


def _administrator(cluster: Cluster, kubectl: Kubectl) -> Api:
    """By a token, like the operator: a certificate would cost the server 0.2 ms more for each request."""
    kubectl.run("create", "serviceaccount", "bench", "-n", SYSTEM)
    account = f"--serviceaccount={SYSTEM}:bench"
    kubectl.run("create", "clusterrolebinding", "bench", "--clusterrole=cluster-admin", account)
    return replace(cluster.api, pair=None, token=kubectl.token("bench", SYSTEM))


async def _namespace(load: KubeLoad, name: str) -> None:
    await load.apply_all({f"/api/v1/namespaces/{name}": _object("v1", "Namespace", name)})


class OperatorEndedError(RuntimeError):
    """It ended by itself; the end of its log."""


def _must_run(operator: OperatorProcess) -> None:
    if not operator.is_running:
        raise OperatorEndedError(operator.log()[-500:])


async def _leads(operator: OperatorProcess) -> bool:
    _must_run(operator)
    return await asyncio.to_thread(lambda: operator.answers("/readyz") and operator.leads)


async def _quiet(operator: OperatorProcess) -> bool:
    _must_run(operator)
    return await asyncio.to_thread(operator.is_quiet)


async def _listed_again(operator: OperatorProcess) -> bool:
    """Whether what was listed at the start has been listed once more."""
    _must_run(operator)
    lists = await asyncio.to_thread(operator.metric, "edgeglm_resync_total", ['kind="InferenceService"'])
    return lists > 1


async def _wrote(operator: OperatorProcess, count: float) -> bool:
    """Whether it may be done, by its own count: to list the fleet meanwhile is work for the server that is measured."""
    _must_run(operator)
    return await asyncio.to_thread(_writes, operator) >= count


async def _told(load: KubeLoad, operator: OperatorProcess, namespace: str, size: int) -> bool:
    _must_run(operator)
    services = await load.items(_services(namespace))
    return sum(bool(each.get("status", {}).get("conditions")) for each in services) == size


async def _all_ready(load: KubeLoad, operator: OperatorProcess, namespace: str, size: int) -> bool:
    _must_run(operator)
    services = await load.items(_services(namespace))
    conditions = (condition for each in services for condition in each["status"]["conditions"])
    return sum((condition["type"], condition["status"]) == ("Ready", "True") for condition in conditions) == size


async def _count(load: KubeLoad, path: str, wanted: int) -> bool:
    return len(await load.items(path)) >= wanted


def _patience(size: int) -> float:
    """Seconds from one list of a fleet to the next: of 5,000 objects it is no small request, on the same cores."""
    return max(0.2, size / 2500)


async def _until(condition: Callable[[], Awaitable[bool]], *, every_seconds: float = 0.2) -> None:
    async with asyncio.timeout(BOUND_SECONDS):
        while not await condition():  # noqa: ASYNC110 - the condition is another process's
            await asyncio.sleep(every_seconds)


def _writes(operator: OperatorProcess) -> float:
    """Requests that change something; the Lease is renewed by `update` and does not count."""
    verbs = ("patch", "create", "delete")
    return sum(operator.metric("edgeglm_api_request_seconds_count", [f'verb="{verb}"']) for verb in verbs)


def _services(namespace: str) -> str:
    return f"/apis/edgeglm.io/v1alpha1/namespaces/{namespace}/inferenceservices"


def _service(namespace: str, number: int) -> Manifest:
    made = an_inference_service(f"s{number}")
    made["metadata"]["namespace"] = namespace
    return made


def _serving(generation: int) -> Manifest:
    """What kube-controller-manager would say of a Deployment whose one replica is ready."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    reasons = {"Available": "MinimumReplicasAvailable", "Progressing": "NewReplicaSetAvailable"}
    conditions = [{"type": kind, "status": "True", "reason": reason} for kind, reason in reasons.items()]
    return {"status": {**counts, "observedGeneration": generation, "conditions": conditions}}


def _deployments(namespace: str, count: int) -> dict[str, Manifest]:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    return {f"{path}/d{n}": _deployment(namespace, f"d{n}") for n in range(count)}


def _deployment(namespace: str, name: str) -> Manifest:
    labels = {"app": name}
    container = {"name": "engine", "image": "engine:1", "resources": {"requests": {"cpu": "1"}}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    made = _object("apps/v1", "Deployment", name, namespace=namespace)
    return made | {"spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}}


def _object(api_version: str, kind: str, name: str, **metadata: str) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}


def _sizes(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=_sizes, default=[100, 1000, 5000], help="services, one fleet after the other")
    return parser


if __name__ == "__main__":
    sys.exit(main())
