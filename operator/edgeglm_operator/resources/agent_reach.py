"""What an agent's pod lets its bundle count on: files of Secrets, and the hosts that it may ask.

A bundle reaches a site by itself, within a minute or two; a pod has what it was made with.
"""

from typing import NamedTuple

from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.report_secret import report_mount


class Reach(NamedTuple):
    """Of one pod template."""

    files: frozenset[str]
    """Or their directories."""
    hosts: tuple[str, ...]
    """Empty: all."""

    def will_do_for(self, other: "Reach") -> bool:
        """Whether a bundle that was made for the other can live with this. A pin holds as soon as it is asked for."""
        return other.files <= self.files and other.hosts == self.hosts


def reach_of(template: Manifest) -> Reach:
    """Of the template as it was made. What the agent reports with is nothing to the bundle."""
    pod = template["spec"]
    agent = pod["containers"][0]
    secrets = {volume["name"]: volume["secret"] for volume in pod["volumes"] if "secret" in volume}
    mounts = [mount for mount in agent["volumeMounts"] if mount["name"] in secrets and mount != report_mount()]
    files = [
        f"{mount['mountPath']}/{item.get('path', '')}"
        for mount in mounts
        for item in secrets[mount["name"]].get("items") or [{}]
    ]
    hosts = [host for flag, host in zip(agent["args"], agent["args"][1:], strict=False) if flag == "--endpoint-host"]
    return Reach(frozenset(files), tuple(hosts))
