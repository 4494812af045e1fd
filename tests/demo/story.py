"""The demo, act by act; each does one thing for real and says so."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helm_python import Chart, Config

from edgeglm_operator.resources.agent_deployment import PORT, agent_address
from images.recipes import AGENT, OPERATOR
from tests.chart.kubectl import Kubectl
from tests.demo.plant import Plant
from tests.demo.stage import Stage
from tests.demo.verdict import Heard, Seen
from tests.demo.view import is_true, wait_for

ROOT = Path(__file__).parents[2]
SYSTEM = "edgeglm-system"
SERVING_SECONDS = 420
ANSWERED_SECONDS = 120
SENSORS_SECONDS, BAD_FROM_SECOND, MENDED_AT_SECOND = 80, 8, 50
CUT_AT_SECOND, CUT_SECONDS = 25, 15
# A slow machine may need longer for an answer; the link stays cut until there is one.
CUT_AT_MOST_SECONDS = 120


class Story:
    """Plays on a stage that is up."""

    def __init__(self, stage: Stage, plant: Plant) -> None:
        self._stage = stage
        self._plant = plant
        self._kubectl = Kubectl(stage.cluster.kubeconfig)
        self._told = 0

    def install(self) -> None:
        """Install the chart; the operator then runs as a pod."""
        repository, _, tag = OPERATOR.reference.rpartition(":")
        values = {"image": {"repository": repository, "tag": tag}, "agent": {"image": AGENT.reference}}
        kubeconfig = str(self._stage.cluster.kubeconfig)
        # The chart reaches the CRDs through a link, and Helm remarks on each link that it follows.
        copy = shutil.copytree(ROOT / "charts" / "edgeglm", self._stage.cluster.instance.directory / "chart")
        with Chart.load(copy) as chart, Config(kubeconfig_path=kubeconfig) as config:
            config.install(chart, "edgeglm", values, namespace=SYSTEM, create_namespace=True)

    def apply(self) -> None:
        """What a user does."""
        self._kubectl.run("apply", "--server-side", "-f", str(ROOT / "examples" / "plant"))

    def wait_until_serving(self) -> None:
        """The operator makes pods of it, the kubelets start the engines, the agent takes its rules."""
        ready = [("infsvc", "plant-llm", "Ready"), ("sgraph", "line-1", "Ready")]
        wait_for(
            self._kubectl,
            lambda: all(is_true(self._kubectl, *each) for each in ready),
            what="InferenceService and SensorGraph Ready",
            bound_seconds=SERVING_SECONDS,
        )

    def run_plant(self) -> Seen:
        """Let sensors publish, and cut the link midway."""
        self._plant.watch()
        began = time.time()
        sensors = self._plant.publish(SENSORS_SECONDS, bad_from=BAD_FROM_SECOND, bad_until=MENDED_AT_SECOND)
        self._tell(lambda: time.time() >= began + CUT_AT_SECOND)
        cut = self._cut_link()
        self._tell(lambda: sensors.poll() is not None)
        return self._collect(sensors, cut)

    def _cut_link(self) -> tuple[float, float]:
        """Cut the site off until it has answered on its own; from when to when it was so."""
        self._stage.cluster.cut_link()
        cut = time.time()
        print("  ✂ the link between cloud and site is cut", flush=True)
        self._tell(lambda: time.time() >= cut + CUT_SECONDS and self._answered_since(cut), CUT_AT_MOST_SECONDS)
        self._stage.cluster.restore_link()
        restored = time.time()
        print(f"  ✓ the link is back after {restored - cut:.0f} s", flush=True)
        return cut, restored

    def _answered_since(self, moment: float) -> bool:
        return any(heard.at > moment for heard in self._plant.heard())

    def show_fleet(self) -> None:
        """The fleet once more, in the user's words."""
        print(self._kubectl.run("get", "infsvc,sgraph,esite", "--namespace=plant"), flush=True)

    def _tell(self, enough: Callable[[], bool], bound_seconds: float = 120) -> None:
        """Print answers as they come, until it is enough."""
        deadline = time.monotonic() + bound_seconds
        while not enough() and time.monotonic() < deadline:
            time.sleep(0.5)
            self._tell_news()
        self._tell_news()

    def _tell_news(self) -> None:
        for heard in self._plant.heard()[self._told :]:
            print("\n".join(f"  {line}" for line in describe(heard)), flush=True)
            self._told += 1

    def _collect(self, sensors: "subprocess.Popen[str]", cut: tuple[float, float]) -> Seen:
        out, _ = sensors.communicate(timeout=60)
        self._tell(self._quiet, ANSWERED_SECONDS)
        acknowledged = json.loads(out)["acknowledged"]
        return Seen(published=acknowledged, status=self._status(), heard=self._plant.heard(), cut=cut)

    def _quiet(self) -> bool:
        """All is read, closed, asked, answered and delivered."""
        status = self._status()
        spool = status["spool"]
        pending = sum(book["pending"] for book in status["books"]["sources"])
        return not (spool["backlog"] or spool["waiting"] or spool["undelivered"] or spool["asking"] or pending)

    def _status(self) -> Any:
        return self._plant.agent(f"{agent_address('plant')}:{PORT}")


def describe(heard: Heard) -> list[str]:
    """An answer for people."""
    answer = heard.answer
    use = answer.get("model")
    by = f"{use['model']} ({use['route'].lower()}, {use['latencyMs'] / 1000:.1f} s)" if use else "code"
    clock = time.strftime("%H:%M:%S", time.localtime(heard.at))
    lines = [f"{clock}  {heard.topic}  {answer['status']}  by {by}"]
    told = [f"{found['state']}, {found['severity']}: {found['statement']}" for found in answer.get("findings", [])]
    return lines + [f"            {each}" for each in told]
