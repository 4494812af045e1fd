"""Why a message or a reading was not taken; the values are metric labels, so they never change."""

from enum import StrEnum


class Reason(StrEnum):
    """One word for each way in which a payload can be wrong."""

    UNMATCHED = "unmatched"
    """No source of any graph has this topic."""
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    TOO_MANY = "too_many"
    """More values or items in one payload than any message has."""
    NOT_JSON = "not_json"
    NOT_SENML = "not_senml"
    MUST_UNDERSTAND = "must_understand"
    """A SenML field that ends in `_` must be understood, and is not (RFC 8428, 12.3.1)."""
    SENML_VERSION = "senml_version"
    NOT_AN_OBSERVATION = "not_an_observation"
    """Not an Observation of SensorThings."""
    NOT_SPARKPLUG = "not_sparkplug"
    """Not a payload of Sparkplug B, or its values are not of the datatypes that it gives them."""
    NOT_INSTALLED = "not_installed"
    """What reads the format is an extra, which is not there."""
    UNBORN = "unborn"
    """A metric of Sparkplug that no birth has defined; a rebirth of its node would."""
    DUPLICATE_KEY = "duplicate_key"
    NOT_FINITE = "not_finite"
    TOO_MANY_DIGITS = "too_many_digits"
    MISSING = "missing"
    """Nothing stands where the measurement's path points."""
    NOT_A_NUMBER = "not_a_number"
    NOT_A_BOOLEAN = "not_a_boolean"
    NOT_A_WORD = "not_a_word"
    """Neither a short text, nor a number, nor true or false."""
    NOT_A_TEXT = "not_a_text"
    UNMAPPED = "unmapped"
    """A word that the measurement's map does not have."""
    BAD_QUALITY = "bad_quality"
    """The payload does not say that the value is good."""
    UNIT = "unit"
    """The payload's unit cannot be turned into the measurement's."""
    OUT_OF_RANGE = "out_of_range"
    TIMESTAMP = "timestamp"
    SKEW = "skew"
    """The device's clock is too far from ours to be believed."""
    OUT_OF_ORDER = "out_of_order"
    """A counter's reading from before its newest one."""
    ENTITY = "entity"
    """The entity's id is empty, too long, or holds control characters."""
    INTERNAL = "internal"
    """The decoder itself failed; a bug of ours, logged with its stack."""
    SERIES_LIMIT = "series_limit"
    """The graph already holds as many series, partitions or windows as it may."""


class Refused(Exception):  # noqa: N818 - a verdict about a payload, not a fault of ours
    """A payload, or a part of it, that cannot be used."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
