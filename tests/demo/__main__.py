"""`make demo`: from a custom resource to an answer, on real parts, on this machine.

Exit status 0 only if every promise was kept.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.demo.plant import Plant
from tests.demo.stage import BROKER_PORT, Stage
from tests.demo.story import SENSORS_SECONDS, Story
from tests.demo.verdict import Seen, promises

INSTRUCTIONS = """
It goes on running. Look around:

  export KUBECONFIG={kubeconfig}
  kubectl get infsvc,sgraph,esite,pods -A
  {inside} {python} examples/plant/simulate.py watch &
  {inside} {python} examples/plant/simulate.py publish

  {python} -m tests.cluster --name demo cut-link       # and restore-link
  {python} -m tests.demo --stop                        # ends it, and leaves nothing behind
"""


def main() -> int:
    """Play it."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end")
    parser.add_argument("--stop", action="store_true", help="end what --keep left running")
    options = parser.parse_args()
    if options.stop:
        Stage().down()
        return 0
    return run(keep=options.keep)


def run(*, keep: bool) -> int:
    """Play on a stage of our own, which is cleared away unless it is to be kept."""
    stage, kept = Stage(), False
    try:
        kept = play(stage)
    finally:
        if keep and kept:
            instruct(stage)
        else:
            stage.down()
    return 0 if kept else 1


def play(stage: Stage) -> bool:
    """All acts; True when every promise was kept."""
    with act("a cluster with two real nodes, a broker at the site, and a small model"):
        stage.up()
    plant = Plant(stage.site.inside, f"127.0.0.1:{BROKER_PORT}", stage.cluster.instance.directory)
    story = Story(stage, plant)
    try:
        with act("install the chart"):
            story.install()
        with act("kubectl apply -f examples/plant"):
            story.apply()
        with act("the operator makes pods of it, and real vLLM loads the model in the cloud and at the site"):
            story.wait_until_serving()
        with act(f"{SENSORS_SECONDS} s of sensor data; a bearing of press-3 goes bad, and is mended"):
            seen = story.run_plant()
        story.show_fleet()
    finally:
        plant.close()
    return summarise(seen)


@contextmanager
def act(title: str) -> Iterator[None]:
    """A heading, and the seconds it took."""
    print(f"\n━━ {title}", flush=True)
    began = time.monotonic()
    yield
    print(f"   ({time.monotonic() - began:.0f} s)", flush=True)


def summarise(seen: Seen) -> bool:
    """Print what became of everything."""
    answers = seen.status["books"]["answers"].get("line-1", {})
    told = ", ".join(f"{n} {status}" for status, n in answers.items())
    print(f"\nreadings in {seen.received} · windows {seen.windows} · model asked {seen.asked}", end=" · ")
    print(f"answers {told}, {seen.findings('held')} of them with nothing new · lost {seen.lost}\n")
    kept = list(promises(seen))
    for promise in kept:
        print(f"  {'✓' if promise.kept else '✗'} {promise.text}")
    return all(promise.kept for promise in kept)


def instruct(stage: Stage) -> None:
    """Say how to go on."""
    words = {"kubeconfig": stage.cluster.kubeconfig, "inside": " ".join(stage.site.inside), "python": sys.executable}
    print(INSTRUCTIONS.format_map(words))


if __name__ == "__main__":
    sys.exit(main())
