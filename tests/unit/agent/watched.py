"""A watch without the rest of the agent: what it applied, on a clock of the test's own."""

from collections.abc import Sequence
from pathlib import Path

from nacl.signing import SigningKey

from edgeglm_agent.config.last_good import LastGood
from edgeglm_agent.config.source import Source
from edgeglm_agent.config.trust import Trust
from edgeglm_agent.config.verify import Verified
from edgeglm_agent.config.watch import Watch

BEGIN_NS = 1_700_000_000_000_000_000


class Watched:
    """One process of an agent, as far as its configuration goes."""

    def __init__(self, source: Source, data: Path, *keys: SigningKey, now_ns: int = BEGIN_NS) -> None:
        self.now_ns = now_ns
        self.applied: list[Verified] = []
        trust = trusting(keys)
        self.last_good = LastGood(data, trust)
        self.watch = Watch(source, trust, self.last_good, self._apply, lambda: self.now_ns)

    async def _apply(self, verified: Verified) -> None:
        self.applied.append(verified)

    @property
    def generations(self) -> list[int]:
        return [verified.bundle.generation for verified in self.applied]

    @property
    def told(self) -> tuple[str, str, int]:
        """Verdict, reason and applied generation."""
        state = self.watch.state
        return state.verdict, state.reason, state.generation


def trusting(keys: Sequence[SigningKey]) -> Trust:
    return Trust(tuple(key.verify_key.encode() for key in keys))
