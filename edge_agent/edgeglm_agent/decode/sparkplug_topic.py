"""The topics of a Sparkplug B source: `spBv1.0/{group}/{message}/{node}/{device}`, or without the device.

Who wants what a device measures needs its node's messages as well: they tell when the node dies, and their sequence
numbers go over both. So a source hears all kinds of messages of its nodes, and no commands.
"""

from typing import Final

import msgspec

from edgeglm_agent.decode.sparkplug import KINDS
from edgeglm_agent.decode.topic import BadTopic, TopicPattern, compile_topic

NAMESPACE: Final = "spBv1.0"
_OF_NODE: Final = 4
"""Levels of a topic."""
_OF_DEVICE: Final = 5


class SparkplugTopic(msgspec.Struct, frozen=True):
    """A compiled topic of this format."""

    node: TopicPattern
    """Up to the node."""
    device: str | None
    """A device's id or a capture; None when the node's own metrics are wanted."""

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""
        namespace, group, _, node = self.node.filter.split("/")
        return tuple(f"{namespace}/{group}/{kind}/{node}{'' if kind[0] == 'N' else '/+'}" for kind in KINDS)

    @property
    def captures(self) -> frozenset[str]:
        """The names that a reading can be told by."""
        return self.node.captures | self.of_device(self.device or "").keys()

    def match(self, topic: str) -> dict[str, str] | None:
        """Return the captures of a topic up to the node, or None when it is not one of these."""
        levels = topic.split("/")
        of_node = len(levels) in {_OF_NODE, _OF_DEVICE} and levels[2] in KINDS
        if not of_node or (levels[2][0] == "D") != (len(levels) == _OF_DEVICE):
            return None
        return self.node.match("/".join(levels[:_OF_NODE]))

    def wants(self, device: str) -> bool:
        """Tell whether what is said of a device, or with an empty name of the node, is asked for."""
        if self.device is None or not device:
            return self.device is None and not device
        return self.device.startswith("{") or self.device == device

    def of_device(self, device: str) -> dict[str, str]:
        """Return what the name of a device captures."""
        return {self.device[1:-1]: device} if self.device and self.device.startswith("{") else {}


def compile_sparkplug_topic(text: str) -> SparkplugTopic:
    """Read the topic of a Sparkplug B source; raises BadTopic when it is none."""
    pattern = compile_topic(text)
    levels = pattern.levels
    well = len(levels) in {_OF_NODE, _OF_DEVICE} and levels[0] == NAMESPACE and levels[2].startswith("{")
    if not well or {"+", "#"} & set(levels):
        shape = f"{NAMESPACE}/{{group}}/{{message}}/{{node}}"
        raise BadTopic(f"{text!r} must be written like `{shape}/{{device}}`, or `{shape}` for a node's own metrics")
    return SparkplugTopic(TopicPattern(levels[:_OF_NODE]), levels[4] if len(levels) == _OF_DEVICE else None)
