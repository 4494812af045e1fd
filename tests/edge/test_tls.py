"""Brokers with TLS: whom the agent trusts, who it is, and what happens when certificates change or go bad."""

import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from edgeglm_api.bundle import Broker as BrokerRules
from tests.cluster.broker import Broker
from tests.cluster.pki import Authority, KeyPair, make_authority
from tests.edge.agent_process import AgentProcess, wait_for
from tests.edge.bundles import a_bundle, a_graph
from tests.edge.conftest import each_way
from tests.edge.mounted_secret import Secret
from tests.edge.sensors import Sensors

pytestmark = pytest.mark.broker


class TlsSite:
    """A broker that demands client certificates, and an agent whose Secrets the test fills."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.authority: Authority = make_authority(folder / "pki")
        self.broker = broker
        self.present(self.authority.issue("broker", "broker", hosts=["127.0.0.1"]))
        self.agent = AgentProcess(folder)
        self.trust, self.own = Secret(folder / "trust"), Secret(folder / "own")
        self.trust.hold(ca_crt=self.authority.cert)
        self.own.hold_pair(self.authority.issue("agent", "agent"))

    def present(self, pair: KeyPair) -> None:
        """What the broker shows, from its next start on."""
        self.broker.tls = (pair, self.authority.cert)

    def start(self, *, listening: bool = True) -> None:
        self.broker.directory.mkdir(parents=True, exist_ok=True)
        self.broker.start()
        way = BrokerRules(
            url=self.broker.tls_url, ca_file=str(self.trust.folder / "ca.crt"), credentials=str(self.own.folder)
        )
        self.agent.configure(a_bundle(a_graph(broker=way)))
        self.agent.start(ready=listening)

    def state(self) -> dict[str, object]:
        """How the agent sees its broker."""
        brokers = self.agent.status().get("brokers", [])
        return brokers[0] if brokers else {}

    def connected_times(self, number: int) -> bool:
        return self.state()["connects"] == number

    def trouble(self, reason: str) -> Callable[[], bool]:
        return lambda: self.state().get("reason") == reason


@pytest.fixture
def tls(tmp_path: Path, broker: Callable[[str], Broker], receive: str) -> Iterator[TlsSite]:
    site = TlsSite(tmp_path, broker("broker"))
    site.agent.options = ("--receive", receive)
    yield site
    site.agent.end()


@each_way
def test_certificates_are_renewed_in_mid_stream_and_nothing_is_lost(tls: TlsSite) -> None:
    """Twice a new certificate, of which the broker knows only that its authority is the same."""
    tls.start()
    sensors = Sensors(tls.broker.port)
    start = int(time.time()) - 300

    for round_ in range(2):
        tls.own.hold_pair(tls.authority.issue(f"agent-{round_}", "agent"))
        for second in range(200):
            sensors.send(start + round_ * 20 + second / 10, 2.0)
        connects = round_ + 2
        wait_for(partial(tls.connected_times, connects), "the new certificate is not used", seconds=60)
    sensors.flush()
    wait_for(lambda: tls.agent.received() == sensors.published, "not all came", seconds=60)

    assert tls.state()["sessionsLost"] == 0
    tls.agent.assert_books_balance()
    sensors.close()


def test_a_new_certificate_that_is_expired_leaves_the_connection_alone(tls: TlsSite) -> None:
    tls.start()
    sensors = Sensors(tls.broker.port)

    tls.own.hold_pair(tls.authority.expired("late", "agent"))
    wait_for(tls.trouble("CertificateRefused"), "says nothing of it", seconds=60)
    sensors.send(int(time.time()) - 60, 2.0)
    sensors.flush()
    wait_for(lambda: tls.agent.received() == 1, "the connection of before is gone", seconds=60)
    assert "expired" in str(tls.state()["failure"])
    assert (tls.state()["connected"], tls.state()["connects"]) == (True, 1)

    tls.own.hold_pair(tls.authority.issue("mended", "agent"))
    wait_for(lambda: tls.state()["connects"] == 2, "does not take the mended one", seconds=60)
    assert tls.state()["reason"] == ""
    metrics = (tls.agent.get("/metrics") or b"").decode()
    assert f'broker_failures_total{{broker="{tls.broker.tls_url}",reason="CertificateRefused"}}' in metrics
    sensors.close()


@pytest.mark.parametrize(
    ("spoil", "reason", "says"),
    [
        ("other-authority", "BrokerNotTrusted", "is not trusted"),
        ("expired-broker", "BrokerNotTrusted", "expired"),
        ("other-host", "BrokerNotTrusted", "IP address mismatch"),
        ("expired-agent", "CertificateRefused", "expired"),
        ("no-certificate", "CertificateRefused", "certificate"),
        ("unknown-agent", "CertificateRefused", "ca"),
        ("other-key", "SecretInvalid", "not a certificate and its key"),
        ("empty-authority", "SecretInvalid", "no certificate"),
    ],
)
def test_what_is_wrong_is_told_and_mending_it_is_enough(tls: TlsSite, spoil: str, reason: str, says: str) -> None:
    """Nothing is published in the clear or to a stranger; once the files are right, it connects without a restart."""
    others = make_authority(tls.agent.log.parent / "others")
    _spoil(tls, others, spoil)
    tls.start(listening=False)
    wait_for(tls.trouble(reason), f"does not say {reason}", seconds=60)
    assert says in str(tls.state()["failure"])
    assert tls.state()["connected"] is False
    assert tls.agent.get("/livez") == b"ok\n"

    tls.trust.hold(ca_crt=tls.authority.cert)
    tls.own.hold_pair(tls.authority.issue("agent", "agent"))
    if spoil in {"expired-broker", "other-host"}:
        tls.present(tls.authority.issue("broker", "broker", hosts=["127.0.0.1"]))
        tls.broker.restart()
    wait_for(tls.agent.listens, "does not connect when all is right", seconds=60)
    assert tls.state()["reason"] == ""


def test_a_missing_secret_is_told_and_waited_for(tls: TlsSite) -> None:
    for secret in (tls.trust, tls.own):
        shutil.rmtree(secret.folder)
    tls.start(listening=False)
    wait_for(tls.trouble("SecretMissing"), "does not say that it is missing", seconds=60)
    assert str(tls.trust.folder) in str(tls.state()["failure"])

    for secret, content in ((tls.trust, {"ca_crt": tls.authority.cert}), (tls.own, {})):
        Secret.__init__(secret, secret.folder)
        secret.hold(**content)
    wait_for(lambda: str(tls.own.folder) in str(tls.state()["failure"]), "does not name the other one", seconds=60)
    tls.own.hold_pair(tls.authority.issue("agent", "agent"))
    wait_for(tls.agent.listens, "does not connect when both are there", seconds=60)


def _spoil(tls: TlsSite, others: Authority, what: str) -> None:
    agent, host = tls.authority.issue("agent", "agent"), ["127.0.0.1"]
    match what:
        case "other-authority":
            tls.trust.hold(ca_crt=others.cert)
        case "expired-broker":
            tls.present(tls.authority.expired("old", "broker", hosts=host))
        case "other-host":
            tls.present(tls.authority.issue("elsewhere", "broker", hosts=["10.0.0.1"]))
        case "expired-agent":
            tls.own.hold_pair(tls.authority.expired("late", "agent"))
        case "no-certificate":
            tls.own.hold(username=b"agent\n")
        case "unknown-agent":
            tls.own.hold_pair(others.issue("agent", "agent"))
        case "other-key":
            tls.own.hold(tls_crt=agent.cert, tls_key=others.issue("agent", "agent").key)
        case "empty-authority":
            tls.trust.hold(ca_crt=b"")
