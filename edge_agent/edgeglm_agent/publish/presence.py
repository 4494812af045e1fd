"""A retained word about this agent, so that a subscriber can tell silence from death.

Online every half minute with the time, stopped when it was stopped, and lost (the broker's doing, by the last will)
when it just went away. A broker that fails takes the will with it: then the word stays online, and gets old.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from edgeglm_agent.mqtt.connection import PublishFailed
from edgeglm_agent.mqtt.dialect import Publication
from edgeglm_agent.mqtt.session import Session

PERIOD_SECONDS: Final = 30.0

log = logging.getLogger(__name__)


def presence_topic(namespace: str, site: str) -> str:
    """Return where the word stands."""
    return f"edgeglm/agents/{namespace}/{site}"


def presence(state: str, facts: dict[str, Any]) -> bytes:
    """Return the word."""
    return msgspec.json.encode({"state": state, **facts}, order="deterministic")


async def keep_present(session: Session, topic: str, facts: Callable[[], dict[str, Any]]) -> None:
    """Say that we are here, until cancelled."""
    while True:
        await session.wait_connected()
        try:
            await session.publish(Publication(topic, presence("online", facts()), qos=1, retain=True))
        except PublishFailed as error:
            log.info("heartbeat not sent: %s", error)
        await asyncio.sleep(PERIOD_SECONDS if session.connected else 0.2)
