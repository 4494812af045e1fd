"""What an agent reports with: the Secret with its token, and how its pod has it.

The operator makes the Secret and can never read it again. It is optional for the pod: an agent without it works, and
does not report.
"""

from typing import Final

from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.reporting_site import ReportingSite, report_path, token_of
from edgeglm_operator.resources.manifest import Manifest, manifest, owned_by
from edgeglm_operator.resources.names import report_secret_name
from edgeglm_operator.resources.selectors import AGENT, agent_selector, component
from edgeglm_operator.settings import Reporting

_DIRECTORY: Final = "/etc/edgeglm/report"
_VOLUME: Final = "report"
_TOKEN: Final = "token"  # noqa: S105 - the name of a file
_CA: Final = "ca.crt"


def make_report_secret(site: EdgeSite, reporting: Reporting) -> Manifest:
    """The site's token, and whom it trusts at the other end."""
    token = token_of(_reporting_site(site), reporting.key, epoch=reporting.epoch)
    return manifest(
        "v1",
        "Secret",
        site.metadata.namespace,
        report_secret_name(site.metadata.name, reporting.epoch),
        labels=component(AGENT) | agent_selector(site),
        owner=owned_by(site),
        type="Opaque",
        immutable=True,
        stringData={_TOKEN: token} | ({_CA: reporting.ca} if reporting.ca else {}),
    )


def report_arguments(site: EdgeSite, reporting: Reporting) -> list[str]:
    """How the agent is told."""
    url = reporting.url.rstrip("/") + report_path(_reporting_site(site))
    ca = [f"--report-ca={_DIRECTORY}/{_CA}"] if reporting.ca else []
    return [f"--report-url={url}", f"--report-token={_DIRECTORY}/{_TOKEN}", *ca]


def report_volume(site: EdgeSite, reporting: Reporting) -> Manifest:
    """The volume of its pod."""
    name = report_secret_name(site.metadata.name, reporting.epoch)
    return {"name": _VOLUME, "secret": {"secretName": name, "optional": True, "defaultMode": 0o440}}


def report_mount() -> Manifest:
    """Where the agent sees it."""
    return {"name": _VOLUME, "mountPath": _DIRECTORY, "readOnly": True}


def mounts_report_secret(deployment: Manifest, site: EdgeSite, reporting: Reporting) -> bool:
    """Whether the agent has it already: then it was made before."""
    volumes = deployment["spec"]["template"]["spec"].get("volumes") or []
    name = report_secret_name(site.metadata.name, reporting.epoch)
    return any((volume.get("secret") or {}).get("secretName") == name for volume in volumes)


def _reporting_site(site: EdgeSite) -> ReportingSite:
    metadata = site.metadata
    return ReportingSite(metadata.namespace, metadata.name, metadata.uid)
