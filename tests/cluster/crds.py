"""The CRDs of others, as they publish them: files of their Go modules, fetched once and kept by version.

go.mod pins the versions and go.sum their content. Nothing is built: only the modules themselves are fetched, and none
of what they import.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Final

from tests.cluster.binaries import MODULES
from tests.cluster.cache import cache_root, key_of, locked, made_whole
from tests.cluster.command import run
from tests.cluster.progress import step

_SOURCE: Final = MODULES / "crds"
_FETCH_SECONDS: Final = 300

_KEDA: Final = "github.com/kedacore/keda/v2"

FILES: Final = {
    "ScaledObject": (_KEDA, "config/crd/bases/keda.sh_scaledobjects.yaml"),
    "InterceptorRoute": ("github.com/kedacore/http-add-on", "config/crd/bases/http.keda.sh_interceptorroutes.yaml"),
    "LeaderWorkerSet": (
        "sigs.k8s.io/lws",
        "config/crd/bases/leaderworkerset.x-k8s.io_leaderworkersets.yaml",
    ),
    "KnativeService": ("knative.dev/serving", "config/core/300-resources/service.yaml"),
    "PodMonitor": (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
    ),
    "PrometheusRule": (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    "InferencePool": (
        "sigs.k8s.io/gateway-api-inference-extension",
        "config/crd/bases/inference.networking.k8s.io_inferencepools.yaml",
    ),
    "HTTPRoute": ("sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"),
    "BackendTrafficPolicy": (
        "github.com/envoyproxy/gateway",
        "charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_backendtrafficpolicies.yaml",
    ),
    # And all the other kinds of Istio.
    "EnvoyFilter": ("istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml"),
}
"""The module and the file in it that defines each kind."""


def crd_file(kind: str) -> Path:
    """The file that defines a kind; its module is fetched when it is not in the cache yet."""
    key = key_of([_SOURCE / "go.mod", _SOURCE / "go.sum", *(f"{module}/{file}" for module, file in FILES.values())])
    final = cache_root() / "crds" / key
    with locked("crds"):
        if not final.exists():
            with step("fetching the CRDs of others"), made_whole(final) as scratch:
                for name, (module, file) in FILES.items():
                    shutil.copyfile(_fetched(module) / file, scratch / f"{name}.yaml")
    return final / f"{kind}.yaml"


def crds_of_keda() -> Path:
    """A directory with all of KEDA's own CRDs, which its operator wants to find."""
    final = cache_root() / "crds" / f"keda-{key_of([_SOURCE / 'go.mod', _SOURCE / 'go.sum'])}"
    with locked("crds"):
        if not final.exists():
            with step("fetching the CRDs of KEDA"), made_whole(final) as scratch:
                shutil.copytree(_fetched(_KEDA) / "config" / "crd" / "bases", scratch, dirs_exist_ok=True)
    return final


def _fetched(module: str) -> Path:
    pinned = re.search(rf"{re.escape(module)} (v\S+)", (_SOURCE / "go.mod").read_text())
    assert pinned, f"{module} is not in {_SOURCE}/go.mod"
    said = run(["go", "mod", "download", "-json", f"{module}@{pinned[1]}"], cwd=_SOURCE, bound_seconds=_FETCH_SECONDS)
    return Path(json.loads(said)["Dir"])
