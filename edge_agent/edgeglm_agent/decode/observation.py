"""What one message says, once it is understood."""

import msgspec

from edgeglm_agent.decode.refused import Reason
from edgeglm_api.sensor_graph import Limits


class Entity(msgspec.Struct, frozen=True):
    """A thing that is measured or related to."""

    id: str
    type: str


class Reading(msgspec.Struct, frozen=True):
    """One measured value, with the limits that it is held against."""

    property: str
    value: float
    limits: Limits
    counter: bool = False
    """Whether the value only ever grows, so that its rate is what counts."""
    word: str = ""
    """What is said, where that is no number; the value then means nothing."""


class Words(msgspec.Struct, frozen=True):
    """What somebody wrote freely."""

    property: str
    text: str


class Relation(msgspec.Struct, frozen=True):
    """An edge from the observed entity."""

    type: str
    to: Entity
    op: str = ""
    """Whether it begins (Add, Replace) or ends (Remove); empty when it just holds as the message says so."""
    ttl_ns: int = 0
    """How long it holds unless it is said again; 0 for until it is said to end."""


class Observation(msgspec.Struct, frozen=True):
    """What a message says of one entity at one moment."""

    source: str
    entity: Entity
    event_ns: int
    readings: tuple[Reading, ...]
    relations: tuple[Relation, ...] = ()
    words: tuple[Words, ...] = ()
    holds: bool = False
    """Whether it is a state, whatever its source is, and told by somebody else: the entity itself was not heard."""


class Decoded(msgspec.Struct, frozen=True):
    """All that a message says; a message of which nothing can be used is refused as a whole instead."""

    observations: tuple[Observation, ...]
    """In the order of the message; none where a format says more than is asked for, and here nothing else."""
    refused: tuple[Reason, ...] = ()
    """Why parts of the message could not be used."""
