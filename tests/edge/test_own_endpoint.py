"""An endpoint of the user's own, with TLS and a key: what is wrong is told, what is renewed holds without a restart."""

import ssl
from pathlib import Path

import msgspec
import pytest

from edgeglm_api.bundle import Bundle
from tests.cluster.pki import Authority, make_authority
from tests.edge.agent_process import wait_for
from tests.edge.conftest import EdgeSite
from tests.edge.mounted_secret import Secret
from tests.edge.sensors import Listener, Sensors
from tests.edge.stream import recent

pytestmark = pytest.mark.broker


class Asking:
    """A site whose engine is reached over TLS only, with Secrets that the test fills."""

    def __init__(self, site: EdgeSite, folder: Path) -> None:
        self.site = site
        self.keys, self.trust = Secret(folder / "keys"), Secret(folder / "trust")
        self._folder = folder
        self._asked = 0
        self._start = recent(120)

    def present(self, authority: Authority) -> None:
        """The engine begins anew, with a certificate of an authority."""
        self.site.engine.stop()
        pair = authority.issue("engine", "engine", hosts=["127.0.0.1"])
        self.site.engine.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.site.engine.tls.load_cert_chain(pair.cert, pair.key)
        self.site.engine.start()

    def bundle(self) -> Bundle:
        plain = self.site.bundle()
        files = {"key_file": str(self.keys.folder / "api"), "ca_file": str(self.trust.folder / "ca.crt")}
        endpoints = tuple(msgspec.structs.replace(each, **files) for each in plain.endpoints)
        return msgspec.structs.replace(plain, endpoints=endpoints)

    def ask(self, sensors: Sensors) -> None:
        """A window that is worth a question, and the next, in which the finding has cleared."""
        for second in range(10):
            sensors.send(self._start + second, 12.0 if second == 2 else 2.0)
        self._start += 10
        sensors.flush()

    def state(self) -> dict[str, object]:
        endpoints = self.site.agent.status().get("endpoints", [{}])
        return dict(endpoints[0])

    def is_told(self, reason: str, says: str) -> bool:
        state = self.state()
        return state.get("reason") == reason and says in str(state.get("lastError"))


@pytest.fixture
def asking(site: EdgeSite, tmp_path: Path) -> Asking:
    return Asking(site, tmp_path / "secrets")


def answered(listener: Listener, times: int) -> None:
    wait_for(lambda: len(listener.asked) == times, f"not answered {times} times")
    assert {answer["status"] for answer in listener.asked} == {"Ok"}


def test_keys_and_authorities_are_renewed_between_two_questions(asking: Asking, tmp_path: Path) -> None:
    first, second = make_authority(tmp_path / "first"), make_authority(tmp_path / "second")
    asking.keys.hold(api=b"key-1\n")
    asking.trust.hold(ca_crt=first.cert)
    asking.present(first)
    site = asking.site
    site.agent.configure(asking.bundle())
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    asking.ask(sensors)
    answered(listener, 1)

    asking.present(second)
    asking.keys.hold(api=b"key-2")
    asking.trust.hold(ca_crt=second.cert)
    asking.ask(sensors)
    answered(listener, 2)

    assert site.engine.keys == ["Bearer key-1", "Bearer key-2"]
    assert asking.state()["reason"] == ""
    site.agent.stop()
    assert b"key-" not in site.agent.log.read_bytes(), "a key is in no log"


def test_a_stranger_gets_neither_the_question_nor_the_key(asking: Asking, tmp_path: Path) -> None:
    ours, others = make_authority(tmp_path / "ours"), make_authority(tmp_path / "others")
    asking.keys.hold(api=b"key")
    asking.trust.hold(ca_crt=ours.cert)
    asking.present(others)
    site = asking.site
    site.agent.configure(asking.bundle())
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    asking.ask(sensors)
    wait_for(lambda: "certificate" in str(asking.state().get("lastError")), "does not say what is wrong")
    assert site.engine.asked == []

    asking.present(ours)
    answered(listener, 1)


def test_what_is_missing_is_told_before_anything_is_asked_and_waited_for(asking: Asking, tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "ours")
    asking.trust.hold(ca_crt=authority.cert)
    asking.present(authority)
    site = asking.site
    site.agent.configure(asking.bundle())
    site.agent.start()
    wait_for(lambda: asking.is_told("SecretMissing", "secrets/keys/api"), "does not say that it is missing")
    listener, sensors = site.listener(), site.sensors()
    asking.ask(sensors)
    asking.keys.hold(api=b"two\nlines")
    wait_for(lambda: asking.is_told("SecretInvalid", "holds no key"), "does not say that it is no key")
    asking.keys.hold(api=b"key")
    asking.trust.hold(ca_crt=b"")
    wait_for(lambda: asking.is_told("SecretInvalid", "no certificate in PEM"), "does not say that nobody is trusted")
    assert site.engine.asked == []

    asking.trust.hold(ca_crt=authority.cert)
    answered(listener, 1)
    assert asking.state()["reason"] == asking.state()["lastError"] == ""
    assert site.agent.status()["faults"] == 0
