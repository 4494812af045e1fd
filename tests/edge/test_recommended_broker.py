"""The mosquitto.conf of the guide, started as it stands but for paths and ports, keeps what the guide says of it."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from edgeglm_api.bundle import Broker as BrokerRules
from tests.cluster.broker import Broker
from tests.cluster.pki import Authority, make_authority
from tests.edge.agent_process import AgentProcess, wait_for
from tests.edge.bundles import a_bundle, a_graph
from tests.edge.sensors import end

pytestmark = pytest.mark.broker

GUIDE = Path(__file__).parents[2] / "docs/guide/mosquitto"
USERS = {"agent": "of the agent", "sensors": "of the sensors", "dashboard": "of people"}


class RecommendedBroker(Broker):
    """The guide's configuration in a directory of the test."""

    def _config(self) -> str:
        text = (GUIDE / "mosquitto.conf").read_text()
        here = {"/etc/mosquitto/": f"{self.directory}/", "/var/lib/mosquitto/": f"{self.directory}/"}
        for path, ours in here.items():
            text = text.replace(path, ours)
        text, plain = re.subn(r"(?m)^listener 1883 .*$", f"listener {self.port} {self.host}", text)
        text, tls = re.subn(r"(?m)^listener 8883$", f"listener {self.tls_port} {self.host}", text)
        assert (plain, tls) == (1, 1)
        # Started as root mosquitto becomes the user `mosquitto`, who may not write here.
        return text + "user root\n"


@pytest.fixture
def recommended(tmp_path: Path, broker: Callable[..., Broker]) -> Iterator[RecommendedBroker]:
    """It runs; `broker` has seen to it that there is a mosquitto."""
    made = RecommendedBroker(tmp_path / "broker")
    authority = make_authority(made.directory / "certs")
    own = authority.issue("tls", "broker", hosts=["127.0.0.1"])
    assert own.cert.name == "tls.crt"
    passwords = made.directory / "passwords"
    passwords.touch(mode=0o600)
    for user, word in USERS.items():
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, word], check=True, capture_output=True)
    acl = made.directory / "acl"
    acl.write_bytes((GUIDE / "acl").read_bytes())
    acl.chmod(0o600)
    made.tls = (own, authority.cert)  # it listens there, too
    made.start()
    yield made
    made.stop()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path)
    yield agent
    agent.end()


def as_user(broker: Broker, user: str | None, *, password: str | None = None) -> tuple[Client, str]:
    """A client, and what the broker said to it."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5, reconnect_on_failure=False)
    if user is not None:
        client.username_pw_set(user, password or USERS[user])
    said: list[str] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: said.append(str(reason))
    client.connect(broker.host, broker.port)
    client.loop_start()
    wait_for(lambda: bool(said), "the broker says nothing")
    return client, said[0]


def listening(broker: Broker, user: str, topic: str) -> tuple[Client, list[bytes]]:
    """A client that is subscribed, and what it hears."""
    heard: list[bytes] = []
    client, _ = as_user(broker, user)
    client.on_message = lambda _client, _data, message: heard.append(bytes(message.payload))
    subscribed: list[int] = []
    client.on_subscribe = lambda _client, _data, mid, _reasons, _properties: subscribed.append(mid)
    client.subscribe(topic, qos=1)
    wait_for(lambda: bool(subscribed), "not subscribed", seconds=60)
    return client, heard


def publish(client: Client, number: int, start: int) -> None:
    for at in range(number):
        payload = b'{"ts": %d, "rms": 2.0}' % (start + at // 10)
        last = client.publish("plant/l1/m1/vibration", payload, qos=1)
    last.wait_for_publish(60)


def test_the_agent_works_as_a_user_and_a_wrong_password_is_told(
    recommended: RecommendedBroker, agent: AgentProcess, tmp_path: Path
) -> None:
    """More messages than the broker's default would keep wait for it, over a restart of the broker."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "username").write_text("agent")
    (own / "password").write_text("guessed")
    agent.configure(a_bundle(a_graph(broker=BrokerRules(url=recommended.url, credentials=str(own)))))
    agent.start(ready=False)
    wait_for(lambda: [each["reason"] for each in brokers(agent)] == ["NotAuthorized"], "not told", seconds=60)
    assert "guessed" not in agent.log.read_text()
    (own / "password").write_text(f"{USERS['agent']}\n")
    wait_for(agent.listens, "does not take the right one", seconds=60)
    agent.stop()

    sensors, _ = as_user(recommended, "sensors")
    publish(sensors, 1500, int(time.time()) - 300)
    end(sensors)
    recommended.restart()
    agent.start()
    wait_for(lambda: agent.received() == 1500, "not all were kept", seconds=60)
    assert [each["sessionsLost"] for each in brokers(agent)] == [0]
    wait_for(lambda: brokers(agent)[0]["dropped"] == 0, "may not read how much is dropped", seconds=60)


def test_the_agent_works_with_a_certificate(recommended: RecommendedBroker, agent: AgentProcess) -> None:
    authority = Authority(recommended.directory / "certs")
    pair = authority.issue("agent", "agent")
    own = recommended.directory / "own"
    own.mkdir()
    (own / "tls.crt").write_bytes(pair.cert.read_bytes())
    (own / "tls.key").write_bytes(pair.key.read_bytes())
    way = BrokerRules(url=recommended.tls_url, ca_file=str(authority.cert), credentials=str(own))
    agent.configure(a_bundle(a_graph(broker=way)))
    agent.start()
    sensors, _ = as_user(recommended, "sensors")
    publish(sensors, 10, int(time.time()) - 300)
    wait_for(lambda: agent.received() == 10, "does not hear", seconds=60)
    end(sensors)


@pytest.mark.parametrize(("user", "password"), [(None, None), ("agent", "guessed"), ("nobody", "x")])
def test_strangers_stay_outside(recommended: RecommendedBroker, user: str | None, password: str | None) -> None:
    client, said = as_user(recommended, user, password=password)
    assert said == "Not authorized"
    end(client)


def test_only_the_agent_answers(recommended: RecommendedBroker) -> None:
    """Sensors are hostile input; what stands below insights/ is believed."""
    dashboard, heard = listening(recommended, "dashboard", "insights/#")
    for user in ("sensors", "agent"):
        client, _ = as_user(recommended, user)
        client.publish("insights/line-1", user.encode(), qos=1).wait_for_publish(30)
        end(client)
    wait_for(lambda: bool(heard), "nothing is heard")
    assert heard == [b"agent"]
    end(dashboard)


def test_people_command_the_agent_and_sensors_do_not(recommended: RecommendedBroker) -> None:
    """What findings.commands is sent on; the dashboard's word comes last, so the sensors' would have come before it."""
    agent, heard = listening(recommended, "agent", "commands/#")
    for user in ("sensors", "dashboard"):
        client, _ = as_user(recommended, user)
        client.publish("commands/line-1", user.encode(), qos=1).wait_for_publish(60)
        end(client)
    wait_for(lambda: bool(heard), "nothing is heard", seconds=60)
    assert heard == [b"dashboard"]
    end(agent)


def test_people_see_a_shadow_s_answers(recommended: RecommendedBroker) -> None:
    dashboard, heard = listening(recommended, "dashboard", "shadow/insights/#")
    client, _ = as_user(recommended, "agent")
    client.publish("shadow/insights/line-1", b"agent", qos=1).wait_for_publish(60)
    wait_for(lambda: bool(heard), "nothing is heard", seconds=60)
    assert heard == [b"agent"]
    end(client)
    end(dashboard)


def brokers(agent: AgentProcess) -> list[dict[str, object]]:
    return list(agent.status().get("brokers", []))
