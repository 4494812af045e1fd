"""From a message to observations, each under the rules of its time."""

import logging
from collections.abc import Sequence

import msgspec

from edgeglm_agent.decode.observation import Decoded, Observation
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.pipeline.era import Era
from edgeglm_agent.spool.entry import Message

log = logging.getLogger(__name__)


class Observed(msgspec.Struct, frozen=True):
    """What a message says, and which parts of it cannot be used."""

    pairs: list[tuple[Era, Observation]]
    refused: list[Reason]

    @property
    def readings(self) -> int:
        """How many values and texts it says."""
        return sum(len(observation.readings) + len(observation.words) for _, observation in self.pairs)


def observe(eras: Sequence[Era], source: str, message: Message) -> Observed:
    """Decode under the newest rules; what is from before their time is decoded under those of its time.

    There are none where nothing of what it says is asked for. Raises Refused when nothing of it can be used.
    """
    era = eras[-1]
    decoded = _read(era, source, message)
    if not decoded.observations:
        return Observed([], [])
    pairs = [(era, each) for each in decoded.observations]
    refused = list(decoded.refused)
    for older in reversed(eras[:-1]):
        if source not in older.readers or all(each.event_ns >= era.from_ns for _, each in pairs):
            break
        pairs = [pair for pair in pairs if pair[1].event_ns >= era.from_ns]
        try:
            earlier = _read(older, source, message).observations
            pairs += [(older, each) for each in earlier if each.event_ns < era.from_ns]
        except Refused as refusal:
            refused.append(refusal.reason)
        era = older
    if not pairs:
        raise Refused(refused[0] if refused else Reason.TIMESTAMP)
    return Observed(pairs, refused)


def _read(era: Era, source: str, message: Message) -> Decoded:
    """Decode a message. Nothing is changed by it, so even a bug in it costs one message, not the loop."""
    try:
        return era.readers[source].read(message.topic, message.payload, message.arrived_ns)
    except Refused:
        raise
    except Exception as error:
        log.exception("cannot decode a message of %s on %s", source, message.topic)
        raise Refused(Reason.INTERNAL) from error
