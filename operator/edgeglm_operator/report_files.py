"""The files that reporting needs: the key that tokens of sites are made with, and whom sites are to trust."""

from pathlib import Path

from edgeglm_api.reporting_site import MIN_KEY_BYTES


class BadReporting(ValueError):  # noqa: N818 - names what it is about
    """Sites cannot report like this."""


def read_report_key(file: Path) -> bytes:
    """Read the key that operator and receiver share; white space at its ends does not count. Raises BadReporting."""
    key = _read(file).strip()
    if len(key) < MIN_KEY_BYTES:
        raise BadReporting(
            f"{file}: has {len(key)} bytes; at least {MIN_KEY_BYTES} are needed, best of a random source"
        )
    return key


def read_report_ca(file: Path) -> str:
    """Read authorities in PEM. Raises BadReporting."""
    text = _read(file)
    if b"-----BEGIN CERTIFICATE-----" not in text or not text.isascii():
        raise BadReporting(f"{file}: holds no certificate in PEM")
    return text.decode("ascii")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadReporting(f"{file}: {error.strerror}") from error
