"""The same table on a real API server, which alone decides what the rules mean."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from edgeglm_operator.offline.crds import directory
from tests.chart.kubectl import Kubectl, Refused
from tests.cluster.fixtures import AnyCluster
from tests.crd.rows import ROWS, Object, Row

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def kubectl(cluster: AnyCluster) -> Kubectl:
    """With our CRDs in place."""
    client = Kubectl(cluster.kubeconfig)
    crds = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(directory().glob("*.yaml"))]
    client.apply(crds)
    names = [f"crd/{crd['metadata']['name']}" for crd in crds]
    client.run("wait", "--for=condition=Established", "--timeout=30s", *names)
    return client


@pytest.fixture(scope="module")
def verdicts(kubectl: Kubectl) -> dict[str, str]:
    """What the server says of each row; nothing when it passes. Asked in parallel: a kubectl takes its time."""
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda row: _verdict(kubectl, row), ROWS)
        return {row.what: verdict for row, verdict in zip(ROWS, found, strict=True)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_the_server_agrees_with_the_table(verdicts: dict[str, str], row: Row) -> None:
    said = verdicts[row.what]
    assert bool(said) is (row.refused is not None), said
    assert (row.refused or "") in said


def _verdict(kubectl: Kubectl, row: Row) -> str:
    if row.old is None:
        return _refusal(kubectl, row.object, "create", "--dry-run=server", "--validate=strict")
    # An update needs something that is really there, of a name that no other row has.
    metadata = {**row.object["metadata"], "name": f"row-{ROWS.index(row)}"}
    kubectl.apply([{**row.old, "metadata": metadata}])
    try:
        update = {**row.object, "metadata": metadata}
        return _refusal(kubectl, update, "apply", "--dry-run=server", "--server-side", "--force-conflicts")
    finally:
        kubectl.run("delete", row.object["kind"], metadata["name"], "-n", metadata["namespace"])


def _refusal(kubectl: Kubectl, manifest: Object, *command: str) -> str:
    try:
        kubectl.run(*command, "-f", "-", text=yaml.safe_dump(manifest))
    except Refused as refused:
        return str(refused)
    return ""
