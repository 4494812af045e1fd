"""A field of free text that a source opts in to: on one line, of so many characters, or nothing."""

from typing import Final

from edgeglm_agent.decode.observation import Words
from edgeglm_agent.decode.path import Place, compile_path
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.untrusted import cleaned
from edgeglm_api.sensor_graph import FreeText

_CUT: Final = "…"


class TextField:
    """One field, compiled; raises BadPath."""

    def __init__(self, rules: FreeText) -> None:
        self._rules = rules
        self._get = compile_path(rules.path)

    def words(self, place: Place) -> Words | None:
        """Return what is written there; None where nothing is. Raises Refused for what is no text."""
        try:
            value = self._get(place)
        except Refused:
            return None  # who has nothing to say leaves the field out
        if value is None:
            return None
        if not isinstance(value, str):
            raise Refused(Reason.NOT_A_TEXT)
        text = self._bounded(value)
        return Words(self._rules.property, text) if text else None

    def _bounded(self, value: str) -> str:
        most = self._rules.max_chars
        text = cleaned(value, most=most + 1)
        return text if len(text) <= most else text[: most - 1] + _CUT
