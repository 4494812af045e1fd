"""The kinds of question, one file each."""

from collections.abc import Mapping
from typing import Any, Final

from edgeglm_agent.reason.task import Task
from edgeglm_agent.reason.tasks.anomaly import ANOMALY
from edgeglm_agent.reason.tasks.classification import CLASSIFICATION
from edgeglm_agent.reason.tasks.custom import CUSTOM
from edgeglm_agent.reason.tasks.explanation import EXPLANATION
from edgeglm_agent.reason.tasks.link_completion import LINK_COMPLETION
from edgeglm_agent.reason.tasks.root_cause import ROOT_CAUSE

TASKS: Final[Mapping[str, Task[Any]]] = {
    "Anomaly": ANOMALY,
    "RootCause": ROOT_CAUSE,
    "LinkCompletion": LINK_COMPLETION,
    "Classification": CLASSIFICATION,
    "Explanation": EXPLANATION,
    "Custom": CUSTOM,
}
