"""Why an engine ended, from the last lines of its log: the words of vLLM 0.32 and of the libraries under it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LINE_LIMIT: Final = 400
"""Characters of a log line that a message quotes: enough for vLLM's own advice on a cache that is too small."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What a kind of end means, and what helps."""

    reason: str
    words: re.Pattern[str]
    cure: str


CAUSES: Final = (
    Cause(
        "OutOfGPUMemory",
        re.compile(
            r"out of memory|OutOfMemoryError|No available memory for the cache blocks"
            r"|larger than the available KV cache memory|less than desired (GPU|CPU) memory utilization",
            re.IGNORECASE,
        ),
        "lower engine.maxModelLen or engine.maxNumSeqs, choose a quantised model, or give it a larger accelerator",
    ),
    Cause(
        "HostPortConflict",
        re.compile(r"address already in use", re.IGNORECASE),
        "something outside edgeglm listens on this port of the node; choose another port or stop it",
    ),
    Cause(
        "WeightsMissing",
        re.compile(
            r"is not a local folder and is not a valid model identifier|does not appear to have a file named"
            r"|Invalid repository ID or local directory|Cannot find any model weights|HFValidationError"
            r"|LocalEntryNotFoundError|RepositoryNotFound|RevisionNotFound|ensure the presence of a 'config.json'"
            r"|No such file or directory: '/models|couldn't connect to",
            re.IGNORECASE,
        ),
        "check that the model's uri is right and that the directory holds config.json and the weights",
    ),
    Cause(
        "InvalidArgument",
        re.compile(r"error: (unrecognized arguments|argument |ambiguous option|the following arguments)"),
        "vLLM does not take one of the arguments; check engine.extraArgs against the version of the image",
    ),
)

# "(EngineCore_0 pid=123) ERROR 11-22 08:40:00 [core.py:700] ": who, when and where change from run to run, and a
# message that changed with them would be written again each time.
_PREFIX: Final = re.compile(
    r"^(\([^()]*pid=\d+\)\s*)?((DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+\d\d-\d\d \d\d:\d\d:\d\d\s*(\[[^\]]*\]\s*)?)?"
)
_ERROR: Final = re.compile(r"^\S*(Error|Exception|Killed)\b.*|.*\berror: .*")


def cause_of(words: str) -> tuple[Cause, str] | None:
    """The known cause that the last words tell of, and the last line that tells it."""
    for cause in CAUSES:
        for line in _lines(words):
            if cause.words.search(line):
                return cause, line
    return None


def telling_line(words: str) -> str:
    """The line that says most: the last that names an error, else the last."""
    lines = list(_lines(words))
    return next((line for line in lines if _ERROR.match(line)), lines[0] if lines else "")


def _lines(words: str) -> Iterator[str]:
    """The lines from the last to the first, without what changes from run to run."""
    for line in reversed(words.splitlines()):
        text = _PREFIX.sub("", line).strip()
        if text:
            yield text[:LINE_LIMIT]
