"""The topic of a source, by its format."""

from edgeglm_agent.decode.sparkplug_topic import SparkplugTopic, compile_sparkplug_topic
from edgeglm_agent.decode.topic import TopicPattern, compile_topic
from edgeglm_api.sensor_graph import Source

SourceTopic = TopicPattern | SparkplugTopic


def topic_of(source: Source) -> SourceTopic:
    """Compile the topic of a source; raises BadTopic."""
    return compile_sparkplug_topic(source.topic) if source.format == "SparkplugB" else compile_topic(source.topic)
