"""What is shown to a broker, and what it is trusted by: files at the site, read anew for each connection.

In a mounted Secret all files change at once, by a swap of `..data`; they are read through one resolved folder, so that
a certificate does not meet the key of the one before.
"""

import hashlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from edgeglm_agent.mqtt.failure import ConnectionFailed, Reason

MAX_FILE_BYTES: Final = 64 * 1024
_NAMES: Final = ("username", "password", "tls.crt", "tls.key")


class CredentialFiles(msgspec.Struct, frozen=True):
    """Where they lie; None: nothing is shown, and the system's authorities are trusted."""

    ca_file: str | None = None
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was read. Its secrets are in no text that is made of it."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    context: ssl.SSLContext | None = field(default=None, repr=False)
    """None without TLS."""
    mark: str = ""
    """As `mark_of` tells it."""


class _Content(NamedTuple):
    """The files as they are now."""

    ca: bytes
    folder: Path | None
    found: dict[str, bytes]


def mark_of(files: CredentialFiles) -> str:
    """Return what changes with all that a broker judges a connection by; blocks.

    The password is asked for only once, so it is not in it. Raises ConnectionFailed when files are missing.
    """
    return _mark(_content(files))


def read_credentials(files: CredentialFiles, *, tls: bool) -> Credentials:
    """Read the files; blocks. Raises ConnectionFailed when some are missing or cannot be used."""
    content = _content(files)
    username, password = (_text(content.found, name) for name in ("username", "password"))
    if password is not None and username is None:
        raise ConnectionFailed(Reason.SECRET_INVALID, f"{files.folder} has a password and no username")
    return Credentials(username, password, _context(content, files) if tls else None, _mark(content))


def _content(files: CredentialFiles) -> _Content:
    ca = _read(Path(files.ca_file)) if files.ca_file else b""
    folder = _resolved(Path(files.folder)) if files.folder else None
    found = {name: _read(folder / name) for name in _NAMES if (folder / name).exists()} if folder else {}
    if folder and not found:
        raise ConnectionFailed(
            Reason.SECRET_MISSING, f"{files.folder} has none of {', '.join(_NAMES)}; make the Secret that it stands for"
        )
    return _Content(ca, folder, found)


def _mark(content: _Content) -> str:
    seen = [content.ca, *(content.found.get(name, b"") for name in _NAMES if name != "password")]
    return hashlib.sha256(b"\0".join(seen)).hexdigest()


def _context(content: _Content, files: CredentialFiles) -> ssl.SSLContext:
    if files.ca_file and b"-----BEGIN CERTIFICATE-----" not in content.ca:
        # Given nothing, Python would trust all authorities of the system instead.
        raise ConnectionFailed(Reason.SECRET_INVALID, f"{files.ca_file} holds no certificate in PEM")
    try:
        context = ssl.create_default_context(cadata=content.ca.decode("ascii", "ignore") or None)
    except ssl.SSLError as error:
        raise ConnectionFailed(Reason.SECRET_INVALID, f"{files.ca_file} cannot be read: {error}") from error
    pair = {"tls.crt", "tls.key"}
    if content.folder is not None and pair & content.found.keys():
        if not pair <= content.found.keys():
            raise ConnectionFailed(Reason.SECRET_MISSING, f"{files.folder} must have both tls.crt and tls.key")
        _show(context, content.folder, files)
    return context


def _show(context: ssl.SSLContext, pair: Path, files: CredentialFiles) -> None:
    try:
        # Without a password given, OpenSSL would ask the terminal for that of an encrypted key.
        context.load_cert_chain(pair / "tls.crt", pair / "tls.key", password="")
    except (OSError, ValueError) as error:
        said = getattr(error, "reason", None) or error
        raise ConnectionFailed(
            Reason.SECRET_INVALID, f"{files.folder}: tls.crt and tls.key are not a certificate and its key: {said}"
        ) from error


def _text(found: dict[str, bytes], name: str) -> str | None:
    """Return a word; an editor's last line end is not part of it."""
    return found[name].decode("utf-8", "replace").rstrip("\r\n") if name in found else None


def _resolved(folder: Path) -> Path:
    data = folder / "..data"
    return (data if data.exists() else folder).resolve()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConnectionFailed(
            Reason.SECRET_MISSING, f"{path}: {error.strerror}; make the Secret that it stands for"
        ) from error
    if len(content) > MAX_FILE_BYTES:
        raise ConnectionFailed(Reason.SECRET_INVALID, f"{path} has more than {MAX_FILE_BYTES} bytes")
    return content
