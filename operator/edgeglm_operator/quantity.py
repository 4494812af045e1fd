"""Kubernetes' quantities (`500m`, `8Gi`) as numbers."""

from decimal import Decimal, InvalidOperation
from typing import Final

_SMALL: Final = {"": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")}
_OF_TEN: Final = {suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate("kMGTPE", start=1)}
_OF_TWO: Final = {f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)}
_FACTORS: Final = {**_SMALL, **_OF_TEN, **_OF_TWO}


def number_of(quantity: object) -> Decimal | None:
    """The number that a quantity stands for; None when it is none."""
    text = str(quantity)
    digits = text.rstrip("KMGTPEinumk")
    try:
        return Decimal(digits) * _FACTORS[text[len(digits) :]]
    except (InvalidOperation, KeyError):
        return None
