"""What was observed of one Deployment, for the status."""

from collections.abc import Iterable, Mapping

from edgeglm_operator.observed import Pod, deployment_from
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.status.verdict import Workload
from edgeglm_operator.store import Store


def workload(
    store: Store,
    namespace: str,
    name: str,
    pods: Iterable[Pod],
    *,
    selector: Mapping[str, str],
    refused: Refused | None = None,
) -> Workload:
    """The Deployment of that name, and those of the pods that it selects."""
    snapshot = store.deployments.get(namespace, name)
    return Workload(
        deployment=deployment_from(snapshot.unpack()) if snapshot else None,
        pods=tuple(pod for pod in pods if selector.items() <= pod.labels.items()),
        refused=refused,
    )
