"""Readings of one payload, gathered by whom and when they speak of."""

import msgspec

from edgeglm_agent.decode.observation import Decoded, Observation, Reading
from edgeglm_agent.decode.refused import Reason, Refused


class Gathered:
    """Owner of what one payload has said so far."""

    def __init__(self, refused: list[Reason] | None = None) -> None:
        self._said: dict[Observation, list[Reading]] = {}
        self._refused = refused or []

    def add(self, bare: Observation, reading: Reading) -> None:
        """Take a reading of an observation, which comes without readings."""
        self._said.setdefault(bare, []).append(reading)

    def refuse(self, reason: Reason) -> None:
        """Note that a part cannot be used."""
        self._refused.append(reason)

    @property
    def any(self) -> bool:
        """Whether anything was said, be it of no use."""
        return bool(self._said or self._refused)

    def decoded(self, *also: Observation) -> Decoded:
        """Return all of it, and others with it; raises Refused when there is nothing that can be used."""
        if not self._said and not also:
            raise Refused(self._refused[0] if self._refused else Reason.MISSING)
        observations = (msgspec.structs.replace(bare, readings=tuple(said)) for bare, said in self._said.items())
        return Decoded((*observations, *also), tuple(self._refused))
