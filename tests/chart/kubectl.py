"""kubectl, as a user runs it, against one cluster."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.cluster.binaries import program
from tests.cluster.process import until

Manifest = dict[str, Any]


class Refused(RuntimeError):  # noqa: N818 - what happened, not a fault
    """kubectl ended with an error; the message is what it said."""


class Right(NamedTuple):
    """What somebody may or may not do."""

    verb: str
    resource: str
    """`deployments.apps`, or with a subresource `edgesites/status.edgeglm.io`."""
    name: str = ""


class Kubectl:
    """Commands against the cluster of a kubeconfig, as its user or as somebody impersonated."""

    def __init__(self, kubeconfig: Path, *, user: str = "") -> None:
        self._kubeconfig = kubeconfig
        self._user = user
        self._program = shutil.which("kubectl") or str(program("kubectl"))

    def as_user(self, user: str) -> "Kubectl":
        """The same cluster through somebody else's eyes."""
        return Kubectl(self._kubeconfig, user=user)

    def command(self, *arguments: str) -> list[str]:
        """The command line, for one that goes on until it is ended."""
        by_name = [f"--as={self._user}"] if self._user else []
        return [self._program, f"--kubeconfig={self._kubeconfig}", *arguments, *by_name]

    def run(self, *arguments: str, text: str | None = None) -> str:
        """What kubectl prints. Raises Refused."""
        done = self._run(arguments, text)
        if done.returncode != 0:
            raise Refused(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def install(self, crds: Path, bound_seconds: float = 60) -> None:
        """Apply CRDs of a file or directory, and wait until they are served.

        Not by `kubectl wait`: it fails on one that has no conditions yet.
        """
        self.run("apply", "--server-side", "-f", str(crds))
        assert until(lambda: self._are_served(crds), bound_seconds), f"{crds}: not served in {bound_seconds:g} s"

    def _are_served(self, crds: Path) -> bool:
        found = json.loads(self.run("get", "-f", str(crds), "-o", "json"))
        said = [each.get("status", {}).get("conditions") or () for each in found.get("items", [found])]
        return all(any((of["type"], of["status"]) == ("Established", "True") for of in each) for each in said)

    def apply(self, manifests: Iterable[Mapping[str, Any]], *options: str) -> None:
        """Server-side apply, in the order given."""
        text = yaml.safe_dump_all(list(manifests))
        self.run("apply", "--server-side", "--force-conflicts", *options, "-f", "-", text=text)

    def get(self, kind: str, name: str, namespace: str = "default") -> Manifest:
        """One object."""
        found: Manifest = json.loads(self.run("get", kind, name, "-n", namespace, "-o", "json"))
        return found

    def rights(self, user: str, rights: Iterable[Right], namespace: str = "default") -> dict[Right, bool]:
        """Which of these the API server's authorizer grants: one request for each, all in one command."""
        asked = list(rights)
        reviews = [_review(user, right, namespace) for right in asked]
        text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": reviews})
        answers = self.run("create", "-o", r"jsonpath={.status.allowed}{'\n'}", "-f", "-", text=text).split()
        return {right: answer == "true" for right, answer in zip(asked, answers, strict=True)}

    def token(self, account: str, namespace: str) -> str:
        """What a pod under a service account proves itself by; good for two hours."""
        return self.run("create", "token", account, "-n", namespace, "--duration=2h").strip()

    def kubeconfig_of(self, account: str, namespace: str, directory: Path) -> Path:
        """A kubeconfig for a service account of the same cluster."""
        config = json.loads(self.run("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        config["users"][0]["user"] = {"token": self.token(account, namespace)}
        path = directory / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path

    def _run(self, arguments: Iterable[str], text: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*arguments), input=text, capture_output=True, text=True, timeout=60, check=False
        )


def _review(user: str, right: Right, namespace: str) -> Manifest:
    resource, _, group = right.resource.partition(".")
    resource, _, subresource = resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "name": right.name,
        "namespace": namespace,
    }
    spec = {"user": user, "resourceAttributes": attributes}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
