"""The live view: what `kubectl get` says, printed whenever it changes."""

import time
from collections.abc import Callable

from tests.chart.kubectl import Kubectl

KINDS = "infsvc,sgraph,esite"
LOOK_EVERY_SECONDS = 2


class NotInTimeError(RuntimeError):
    """What was waited for did not come; the message has the last view."""


def table(kubectl: Kubectl) -> str:
    """The fleet at a glance, without the ages, which change by themselves."""
    wide = kubectl.run("get", KINDS, "--namespace=plant", "--show-kind")
    return "\n".join(line.rsplit(maxsplit=1)[0] if line.strip() else line for line in wide.splitlines())


def wait_for(kubectl: Kubectl, condition: Callable[[], bool], *, what: str, bound_seconds: float) -> None:
    """Show the table each time it changes until the condition holds."""
    deadline, shown = time.monotonic() + bound_seconds, ""
    while not condition():
        now = table(kubectl)
        if now != shown:
            print(f"\n{now}\n", flush=True)
            shown = now
        if time.monotonic() > deadline:
            raise NotInTimeError(f"{what} did not come true within {bound_seconds:g} s")
        time.sleep(LOOK_EVERY_SECONDS)


def is_true(kubectl: Kubectl, kind: str, name: str, condition: str) -> bool:
    """Whether a condition of an object is True."""
    path = f'{{.status.conditions[?(@.type=="{condition}")].status}}'
    return kubectl.run("get", kind, name, "--namespace=plant", f"--output=jsonpath={path}").strip() == "True"
