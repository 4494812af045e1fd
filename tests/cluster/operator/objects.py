"""What the tests apply, and what they wait for."""

import json
from collections.abc import Callable
from typing import Any

from tests.chart.kubectl import Kubectl, Refused
from tests.cluster.process import until
from tests.reconcile import builders

Manifest = dict[str, Any]

SECONDS = 30
"""Far more than anything here takes; a bound, not an expectation."""


class Scene:
    """One namespace, and a user in it."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self.kubectl = kubectl
        self.namespace = namespace

    def apply(self, *manifests: Manifest) -> None:
        """As a user."""
        for manifest in manifests:
            if manifest["kind"] != "Node":
                manifest["metadata"]["namespace"] = self.namespace
        self.kubectl.apply(manifests)

    def run(self, *arguments: str) -> str:
        """Any command in the namespace."""
        return self.kubectl.run(*arguments, "-n", self.namespace)

    def get(self, kind: str, name: str) -> Manifest | None:
        """One object, or None."""
        try:
            found: Manifest = json.loads(self.run("get", kind, name, "-o", "json"))
        except Refused as refused:
            if "NotFound" in str(refused):
                return None
            raise
        return found

    def names(self, kind: str) -> list[str]:
        """The names of all objects of a kind."""
        return self.run("get", kind, "-o", "jsonpath={.items[*].metadata.name}").split()

    def items(self, kinds: str) -> list[Manifest]:
        """All objects of some kinds."""
        found: list[Manifest] = json.loads(self.run("get", kinds, "-o", "json"))["items"]
        return found

    def versions(self) -> dict[str, str]:
        """The version of everything that the operator makes or writes to."""
        kinds = "infsvc,sgraph,esite,deployments,services,configmaps,poddisruptionbudgets,networkpolicies"
        return {
            f"{item['kind']} {item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for item in self.items(kinds)
        }

    def condition(self, kind: str, name: str, type_: str) -> dict[str, Any]:
        """One condition, or an empty one."""
        found = self.get(kind, name) or {}
        conditions = found.get("status", {}).get("conditions", [])
        return next((each for each in conditions if each["type"] == type_), {})

    def patch(self, kind: str, name: str, patch: Manifest, *options: str) -> None:
        """A merge patch, as somebody's hand."""
        self.run("patch", kind, name, "--type=merge", "-p", json.dumps(patch), *options)


def eventually(condition: Callable[[], Any], seconds: float = SECONDS) -> bool:
    """Wait for a state."""
    return until(lambda: bool(condition()), seconds)


def a_fake_node(name: str) -> Manifest:
    """An edge node that nobody runs. Its status is patched by `mark_ready`."""
    node = builders.an_edge_node(name)
    del node["status"]
    return node
