"""The key that tokens of sites are made with: in a file that the operator and the receiver have both mounted."""

from pathlib import Path

from edgeglm_api.reporting_site import MIN_KEY_BYTES


class BadKey(ValueError):  # noqa: N818 - names what it is about
    """The key cannot be used."""


def read_report_key(file: Path) -> bytes:
    """Read it; white space at its ends does not count. Raises BadKey."""
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise BadKey(f"{file}: {error.strerror}") from error
    if len(key) < MIN_KEY_BYTES:
        raise BadKey(f"{file}: has {len(key)} bytes; at least {MIN_KEY_BYTES} are needed, best of a random source")
    return key
