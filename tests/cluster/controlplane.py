"""etcd, the API server, the controller manager and the scheduler of one instance.

Without real nodes the API server listens on loopback. With them it listens on the ClusterIP of the `kubernetes`
service, an address that the lab puts on its own bridge: pods reach the API server as on any cluster, through
KUBERNETES_SERVICE_HOST, with no proxy and no address translation in between.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

from tests.cluster.api import Api
from tests.cluster.binaries import ensure, program
from tests.cluster.instance import Instance
from tests.cluster.kubeconfig import write_kubeconfig
from tests.cluster.pki import Authority, KeyPair, make_authority, make_signing_key
from tests.cluster.ports import LOOPBACK, answers, free_ports
from tests.cluster.process import ProcessTable
from tests.cluster.progress import step

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
# A node that stops reporting is noticed after 16-21 s instead of the usual 50.
NODE_GRACE_SECONDS = 20
BOUND_SECONDS = 90
# The port of the `kubernetes` service; the API server fixes it.
SERVICE_PORT = 443


@dataclass(frozen=True)
class Ports:
    """Where the parts listen."""

    api: int
    etcd: int
    etcd_peer: int
    controller_manager: int
    scheduler: int


class ControlPlane:
    """A real Kubernetes control plane, as four processes of this machine."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.processes = ProcessTable(instance.directory / "processes")

    def start(self) -> None:
        """Start what does not run yet; the parts find the data of an earlier start."""
        ensure(PROGRAMS)
        self._write_credentials()
        with step("starting etcd"):
            self._start_etcd()
        with step(f"starting the API server at {self.server}"):
            self.start_apiserver()
        with step("starting the controller manager and the scheduler"):
            self._start_controllers()

    def stop(self) -> None:
        """End all parts; the data stay."""
        for name in reversed(self.processes.names()):
            self.processes.stop(name, grace_seconds=5)

    def start_apiserver(self) -> None:
        """Start the API server and wait until it is ready."""
        argv: list[str | Path] = [program("kube-apiserver"), *self._apiserver_flags()]
        self.processes.start("kube-apiserver", argv, ready=self.api.healthy, bound_seconds=BOUND_SECONDS)

    def stop_apiserver(self) -> None:
        """End only the API server; left alone it waits up to a minute for its clients' open watches."""
        self.processes.stop("kube-apiserver", grace_seconds=5)

    def listen_for_pods(self) -> None:
        """Let the API server listen where pods look for it, from its next start on; one on loopback is ended."""
        if self.ports.api != SERVICE_PORT:
            self.stop()
            record = self._ports_record
            record.write_text(json.dumps(asdict(self.ports) | {"api": SERVICE_PORT}))
            self.__dict__.pop("ports")
            self.__dict__.pop("api", None)

    @property
    def address(self) -> str:
        """Where the API server listens."""
        return self.instance.api_address if self.ports.api == SERVICE_PORT else LOOPBACK

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self.ports.api}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.instance.directory / "admin.kubeconfig"

    @cached_property
    def api(self) -> Api:
        """The administrator's client."""
        return Api(self.server, self.authority.cert, self.admin)

    @cached_property
    def authority(self) -> Authority:
        """The cluster's certificate authority."""
        return make_authority(self.instance.directory / "pki")

    @property
    def admin(self) -> KeyPair:
        """The administrator's credentials."""
        return self.authority.issue("admin", "edgeglm-admin", groups=["system:masters"])

    @cached_property
    def ports(self) -> Ports:
        """Chosen once and remembered, so that a restarted part is found where it was."""
        if not self._ports_record.exists():
            names = [field.name for field in fields(Ports)]
            self._ports_record.write_text(json.dumps(dict(zip(names, free_ports(len(names)), strict=True))))
        return Ports(**json.loads(self._ports_record.read_text()))

    def client(self, name: str, user: str, *groups: str) -> Path:
        """A kubeconfig for one user of the cluster."""
        pair = self.authority.issue(name, user, groups=groups)
        path = self.instance.directory / f"{name}.kubeconfig"
        return write_kubeconfig(path, self.server, self.authority.cert, pair)

    def _write_credentials(self) -> None:
        write_kubeconfig(self.kubeconfig, self.server, self.authority.cert, self.admin)
        make_signing_key(self._service_account_key)

    @property
    def _ports_record(self) -> Path:
        return self.instance.directory / "ports.json"

    @property
    def _service_account_key(self) -> Path:
        return self.authority.directory / "service-account.key"

    def _start_etcd(self) -> None:
        client, peer = f"http://{LOOPBACK}:{self.ports.etcd}", f"http://{LOOPBACK}:{self.ports.etcd_peer}"
        flags = {
            "data-dir": self.instance.directory / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            "unsafe-no-fsync": "true",  # the data are thrown away; this is faster
            "log-level": "warn",
        }
        argv: list[str | Path] = [program("etcd"), *_as_arguments(flags)]
        self.processes.start(
            "etcd", argv, ready=lambda: answers(LOOPBACK, self.ports.etcd), bound_seconds=BOUND_SECONDS
        )

    def _apiserver_flags(self) -> list[str]:
        pki = self.authority
        hosts = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", LOOPBACK]
        serving = pki.issue("apiserver", "kube-apiserver", hosts=[*hosts, self.instance.api_address])
        kubelet = pki.issue("apiserver-kubelet", "kube-apiserver-kubelet-client", groups=["system:masters"])
        proxy = pki.issue("front-proxy", "front-proxy-client")
        flags = {
            "bind-address": self.address,
            "secure-port": self.ports.api,
            # The API server refuses to advertise loopback; with the reconciler off nothing is made of the address.
            "advertise-address": self.instance.api_address,
            "endpoint-reconciler-type": "none",
            "etcd-servers": f"http://{LOOPBACK}:{self.ports.etcd}",
            "service-cluster-ip-range": self.instance.service_subnet,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "allow-privileged": "true",
            "client-ca-file": pki.cert,
            "tls-cert-file": serving.cert,
            "tls-private-key-file": serving.key,
            "kubelet-certificate-authority": pki.cert,
            "kubelet-client-certificate": kubelet.cert,
            "kubelet-client-key": kubelet.key,
            "kubelet-preferred-address-types": "InternalIP",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self._service_account_key.with_suffix(".pub"),
            "service-account-signing-key-file": self._service_account_key,
            "requestheader-client-ca-file": pki.cert,
            "requestheader-allowed-names": "front-proxy-client",
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "proxy-client-cert-file": proxy.cert,
            "proxy-client-key-file": proxy.key,
        }
        return _as_arguments(flags)

    def _start_controllers(self) -> None:
        manager = self.client("controller-manager", "system:kube-controller-manager")
        scheduler = self.client("scheduler", "system:kube-scheduler")
        flags = {
            **_component_flags(manager, self.ports.controller_manager),
            "use-service-account-credentials": "true",
            "service-account-private-key-file": self._service_account_key,
            "root-ca-file": self.authority.cert,
            "node-monitor-grace-period": f"{NODE_GRACE_SECONDS}s",
            "node-monitor-period": "2s",
        }
        self._start_component("kube-controller-manager", flags, self._has_default_account)
        self._start_component("kube-scheduler", _component_flags(scheduler, self.ports.scheduler), lambda: True)

    def _start_component(self, name: str, flags: Mapping[str, object], ready: Callable[[], bool]) -> None:
        self.processes.start(name, [program(name), *_as_arguments(flags)], ready=ready, bound_seconds=BOUND_SECONDS)

    def _has_default_account(self) -> bool:
        """A pod can be made only once the controller manager has made the namespace's service account."""
        return self.api.exists("/api/v1/namespaces/default/serviceaccounts/default")


def _component_flags(kubeconfig: Path, port: int) -> dict[str, object]:
    return {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "bind-address": LOOPBACK,
        "secure-port": port,
        "leader-elect": "false",  # there is one of each
    }


def _as_arguments(flags: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]
