"""How urgent a request is, here and in the words of vLLM."""

from enum import IntEnum
from typing import Final

from edgeglm_api.sensor_graph import Priority


class Urgency(IntEnum):
    """The most urgent is the least, as in the order in which requests are asked."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


URGENCY: Final[dict[Priority, Urgency]] = {"High": Urgency.HIGH, "Normal": Urgency.NORMAL, "Low": Urgency.LOW}

# Lower is sooner there, any 64-bit integer will do, and 0 is what everybody has who says nothing
# (vLLM 0.32, entrypoints/openai/chat_completion/protocol.py).
_VLLM: Final = {Urgency.HIGH: -10, Urgency.NORMAL: 0, Urgency.LOW: 10}


def vllm_priority(urgency: Urgency) -> int:
    """Return the same in vLLM's words."""
    return _VLLM[urgency]
