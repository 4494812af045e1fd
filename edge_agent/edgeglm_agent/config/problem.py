"""What is wrong with a bundle, for the person who must mend it."""

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """Stable reasons; they stand in the status and as metric labels."""

    APPLIED = "Applied"
    UNREADABLE = "Unreadable"
    """The files are not there, or cannot be read."""
    UNTRUSTED = "Untrusted"
    """What a TUF repository says does not follow from what it said before, or was signed by others."""
    TOO_LARGE = "TooLarge"
    UNSIGNED = "Unsigned"
    WRONG_SIGNATURE = "WrongSignature"
    """Signed, but not this content, or not by a key that is trusted here."""
    DIGEST_MISMATCH = "DigestMismatch"
    MALFORMED = "Malformed"
    """Not canonical JSON of a version that this agent knows."""
    INVALID = "Invalid"
    """Well-formed, and asks for what cannot be done."""
    GENERATION_WENT_DOWN = "GenerationWentDown"
    GENERATION_REUSED = "GenerationReused"
    """Another content under the generation that is applied."""
    OTHER_SITE = "OtherSite"
    """Of another site than the one that runs here, and not from a directory, where alone a new site may be named."""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong, and where."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class BundleRejected(Exception):  # noqa: N818 - a verdict about a bundle, not a fault of ours
    """The bundle cannot be applied."""

    def __init__(self, verdict: Verdict, problems: list[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.verdict = verdict
        self.problems = problems


class BadSetup(ValueError):  # noqa: N818 - names what it is about
    """What the agent was given at its start cannot be used, and it must not run without."""
