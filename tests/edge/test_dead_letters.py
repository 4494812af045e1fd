"""Dead letters of a live agent, over its control socket: seen, mended, driven again, and lost by no kill."""

import stat
import subprocess
import sys
import time

import pytest

from edgeglm_api.sensor_graph import Measurement
from tests.edge.agent_process import AgentProcess, wait_for
from tests.edge.bundles import a_graph, a_source
from tests.edge.conftest import EdgeSite

pytestmark = pytest.mark.broker

TOPIC = "plant/l1/m1/vibration"


def dead(agent: AgentProcess, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `edgeglm-agent dead` against the data directory of an agent."""
    argv = [sys.executable, "-m", "edgeglm_agent.main", "dead", verb, *arguments, "--data", str(agent.data)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def listed(agent: AgentProcess, *arguments: str) -> list[list[str]]:
    return [line.split("\t") for line in dead(agent, "ls", *arguments).stdout.splitlines()]


@pytest.mark.timeout(120)
def test_a_dead_letter_is_seen_and_goes_again_once_the_rules_are_mended(site: EdgeSite) -> None:
    site.agent.configure(site.bundle(a_graph()))
    site.agent.start()
    sensors = site.sensors()
    now = int(time.time())
    for number in range(20):
        sensors.raw(TOPIC, b'{"ts": %d, "value": %d, "name": "\x1b[2Jx"}' % (now, number))
    sensors.raw(TOPIC, b"x" * 300_000)
    sensors.raw(TOPIC, b"\xff\x00")
    sensors.flush()
    wait_for(lambda: len(listed(site.agent)) == 22, "not all letters are there")
    reasons = [row[2] for row in listed(site.agent)]
    assert (reasons.count("missing"), reasons.count("too_large"), reasons.count("not_json")) == (0, 1, 21), (
        "a raw escape is no JSON"
    )
    assert {row[3] for row in listed(site.agent)} == {"line-1/vibration"}

    shown = dead(site.agent, "show", listed(site.agent)[0][0]).stdout
    assert "\x1b" not in shown
    assert "\\x1b[2Jx" in shown
    assert dead(site.agent, "show", "999").returncode == 1


@pytest.mark.timeout(120)
def test_letters_go_again_after_a_kill_and_the_books_balance(site: EdgeSite) -> None:
    site.agent.configure(site.bundle(a_graph()))
    site.agent.start()
    sensors = site.sensors()
    now = int(time.time())
    for number in range(20):
        sensors.raw(TOPIC, b'{"ts": %d, "value": %d}' % (now, number))
    sensors.flush()
    wait_for(lambda: len(listed(site.agent, "--reason", "missing")) == 20, "not all letters are there")
    site.agent.kill()
    refused = dead(site.agent, "ls")
    assert refused.returncode == 2
    assert "no agent answers" in refused.stderr
    measurement = Measurement(property="rms", path="$.value")
    mended = a_graph(sources=(a_source(measurements=(measurement,)),))
    site.agent.configure(site.bundle(mended, generation=2))
    site.agent.start()
    assert dead(site.agent, "redrive").returncode == 2, "all, or some by number; not nothing"
    done = dead(site.agent, "redrive", "--all", "--graph", "line-1", "--reason", "missing")
    assert done.stdout == "20 went again\n"
    site.agent.kill()
    site.agent.start()
    wait_for(lambda: listed(site.agent) == [], "the letters are still there")
    wait_for(site.agent.settled, "not settled")
    (book,) = site.agent.status()["books"]["sources"]
    assert (book["received"], book["redriven"], book["dead"]) == (40, 20, {"missing": 20})
    assert book["windowed"] + book["late"] == 20
    site.agent.assert_books_balance()


def test_only_the_owner_may_open_the_socket(site: EdgeSite) -> None:
    site.agent.configure(site.bundle(a_graph()))
    site.agent.start()
    mode = (site.agent.data / "control.sock").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
