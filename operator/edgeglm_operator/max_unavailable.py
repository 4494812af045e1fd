"""How many of a fleet may be out of service at once: a number or a percentage, like `maxUnavailable` of a DaemonSet."""

import re
from dataclasses import dataclass
from typing import Final

MOST: Final = 10_000
_PATTERN: Final = re.compile(r"([1-9][0-9]{0,4})(%?)")


@dataclass(frozen=True, slots=True)
class MaxUnavailable:
    """Never none: then nothing would ever change."""

    number: int
    is_percent: bool = False

    def of(self, size: int) -> int:
        """How many of so many. A part of one counts as one, as with a DaemonSet."""
        return -(-self.number * size // 100) or 1 if self.is_percent else self.number

    def __str__(self) -> str:
        return f"{self.number}%" if self.is_percent else str(self.number)


ONE: Final = MaxUnavailable(1)


def max_unavailable_of(text: str) -> MaxUnavailable:
    """Read `3` or `10%`; raises ValueError with what would do."""
    found = _PATTERN.fullmatch(text)
    number, is_percent = (int(found[1]), bool(found[2])) if found else (0, False)
    if not 1 <= number <= (100 if is_percent else MOST):
        raise ValueError(f"{text!r} is neither a number from 1 to {MOST} nor a percentage from 1% to 100%")
    return MaxUnavailable(number, is_percent)
