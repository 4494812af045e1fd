"""The life of a finding at a live site: told when something changes, kept over kills, and open to people's word."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgeglm_api.bundle import Commands, Graph
from tests.edge.agent_process import AgentProcess, wait_for
from tests.edge.bundles import a_graph
from tests.edge.commander import KEY, signed
from tests.edge.conftest import EdgeSite
from tests.edge.sensors import Listener, Sensors

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

WARNING, ALARM, WELL = 9.0, 12.0, 2.0


class Plant:
    """One machine, one reading a window; a step is over when the site has nothing left to do about it."""

    def __init__(self, site: EdgeSite, *graphs: Graph) -> None:
        site.agent.configure(site.bundle(*graphs))
        site.agent.start()
        self.listener: Listener = site.listener()
        self._agent = site.agent
        self._sensors: Sensors = site.sensors()
        self._start = int(time.time()) - 60
        self._second = 0

    def goes_on(self, *readings: float) -> None:
        for rms in readings:
            self._sensors.send(self._start + self._second, rms)
            self._second += 1
        self._sensors.flush()
        done = self._sensors.published
        wait_for(lambda: self._agent.received() == done and self._agent.settled(), "not settled")

    def told(self, count: int) -> list[tuple[str, str]]:
        """State and severity of what the broker delivered, once there is so much."""
        wait_for(lambda: len(self.listener.answers) >= count, f"not {count} answers: {self.listener.answers}")
        found = [finding for answer in self.listener.answers for finding in answer["findings"]]
        return [(finding["state"], finding["severity"]) for finding in found]


def findings(agent: AgentProcess, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `edgeglm-agent findings` against the data directory of an agent."""
    argv = [sys.executable, "-m", "edgeglm_agent.main", "findings", verb, *arguments, "--data", str(agent.data)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def restart(agent: AgentProcess) -> None:
    agent.kill()
    agent.start()


def test_a_finding_opens_gets_worse_and_clears_once_whatever_is_killed_in_between(site: EdgeSite) -> None:
    plant = Plant(site)
    for readings in ([WARNING], [ALARM], [ALARM], [WELL, WELL], [WELL], [WARNING]):
        plant.goes_on(*readings)
        restart(site.agent)
    wait_for(site.agent.settled, "not settled")

    assert plant.told(4) == [("Open", "Warning"), ("Ongoing", "Critical"), ("Cleared", "Critical"), ("Open", "Warning")]
    opened, _, over, again = plant.listener.answers
    assert (over["status"], "model" in over) == ("Normal", False), "code says that it is over"
    assert {answer["findings"][0]["id"] for answer in (opened, over, again)} == {opened["findings"][0]["id"]}
    assert over["findings"][0]["statement"].startswith("not seen since ")
    plant.listener.assert_no_contradiction()
    books = site.agent.status()["books"]
    assert books["findings"] == {"line-1": {"opened": 2, "cleared": 1, "held": 1}}
    assert books["answers"] == {"line-1": {"Ok": 4, "Normal": 1}}
    site.agent.assert_books_balance()
    metrics = (site.agent.get("/metrics") or b"").decode()
    assert 'edgeglm_agent_findings_total{event="cleared",graph="line-1"} 1.0' in metrics
    assert 'edgeglm_agent_findings_live{graph="line-1",severity="Warning",state="Ongoing"} 1.0' in metrics


def test_people_acknowledge_and_shelve_and_their_word_outlives_a_kill(site: EdgeSite) -> None:
    plant = Plant(site)
    plant.goes_on(WARNING)
    (line,) = findings(site.agent, "ls").stdout.splitlines()
    finding, state, severity, where, *_ = line.split("\t")
    assert (state, severity, where) == ("Ongoing", "Warning", "line-1/l1")

    done = findings(site.agent, "ack", finding, "--by", "anna", "--note", "bearing is ordered\x1b[2J")
    assert done.returncode == 0, done.stderr
    restart(site.agent)
    (line,) = findings(site.agent, "ls", "--graph", "line-1").stdout.splitlines()
    assert "\tAcknowledged\t" in line
    assert line.endswith("\tby anna: bearing is ordered\\x1b[2J")
    plant.goes_on(WARNING)
    plant.goes_on(WARNING)
    assert findings(site.agent, "shelve", finding, "--hours", "1", "--by", "ben").returncode == 0
    restart(site.agent)
    plant.goes_on(WARNING)
    assert findings(site.agent, "unshelve", finding, "--by", "ben").returncode == 0
    plant.goes_on(WARNING)

    assert [state for state, _ in plant.told(4)] == ["Open", "Acknowledged", "Shelved", "Ongoing"]
    counted = {"opened": 1, "held": 1, "acknowledged": 1, "shelved": 1, "unshelved": 1}
    assert site.agent.status()["books"]["findings"] == {"line-1": counted}


def test_people_at_work_hear_nothing_until_they_are_done(site: EdgeSite) -> None:
    plant = Plant(site)
    plant.goes_on(WELL)
    hour_ago = datetime.fromtimestamp(time.time() - 3600, UTC).isoformat()
    said = ("--graph", "line-1", "--by", "anna", "--hours", "2", "--from", hour_ago)
    begun = findings(site.agent, "maintenance", "begin", *said)
    assert begun.returncode == 0, begun.stderr
    span, state, where, *_ = begun.stdout.strip().split("\t")
    assert (state, where) == ("on", "line-1/*")
    restart(site.agent)
    plant.goes_on(WARNING, WARNING)
    (line,) = findings(site.agent, "ls").stdout.splitlines()
    assert line.split("\t")[1:3] == ["Open", "Warning"], "it is known, and not told"
    assert plant.told(0) == []

    assert findings(site.agent, "maintenance", "end", span).returncode == 0
    assert findings(site.agent, "maintenance", "ls").stdout.split("\t")[:2] == [span, "over"]
    assert findings(site.agent, "maintenance", "end", span).returncode == 1
    unknown = findings(site.agent, "maintenance", "begin", "--graph", "line-9", "--by", "anna")
    assert (unknown.returncode, "there are line-1" in unknown.stderr) == (1, True)
    for wrong in (["--from", "soon"], ["--from", "2026-01-01T00:00:00"], ["--hours", "100000"]):
        assert findings(site.agent, "maintenance", "begin", "--graph", "line-1", "--by", "a", *wrong).returncode == 2


def test_people_acknowledge_over_mqtt_with_a_key_and_only_with_it(site: EdgeSite, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    commands = Commands(topic="commands/line-1", key_file=str(tmp_path / "key"))
    plant = Plant(site, a_graph(commands=commands))
    plant.goes_on(WARNING)
    finding = plant.told(1) and plant.listener.answers[0]["findings"][0]["id"]
    say = {"id": finding, "kind": "Acknowledged", "by": "anna"}
    people = site.sensors("people")
    for payload in (signed(b"some key of somebody else", say=say), signed(say=say)):
        people.raw(commands.topic, payload)
    people.flush()
    heeded = {"opened": 1, "commands_forged": 1, "commands_heeded": 1, "acknowledged": 1}
    wait_for(lambda: site.agent.status()["books"]["findings"] == {"line-1": heeded}, "not heeded", seconds=60)
    restart(site.agent)
    assert "\tAcknowledged\t" in findings(site.agent, "ls").stdout
    site.agent.assert_books_balance()


def test_what_cannot_be_heeded_is_told(site: EdgeSite) -> None:
    site.agent.configure(site.bundle())
    site.agent.start()
    unknown = findings(site.agent, "ack", "0123456789abcdef", "--by", "anna")
    assert (unknown.returncode, "no finding 0123456789abcdef" in unknown.stderr) == (1, True)
    for arguments in (["--hours", "10000"], ["--hours", "soon"], ["--note", "x" * 300], ["--by", "x" * 65]):
        assert findings(site.agent, "shelve", "0123456789abcdef", "--by", "anna", *arguments).returncode == 2
    assert "--by" in findings(site.agent, "ack", "0123456789abcdef").stderr, "nobody says nothing"
    nobody = findings(site.agent, "ack", "0123456789abcdef", "--by", "")
    assert (nobody.returncode, "$.by" in nobody.stderr) == (2, True)
    site.agent.kill()
    assert "no agent answers" in findings(site.agent, "ls").stderr
