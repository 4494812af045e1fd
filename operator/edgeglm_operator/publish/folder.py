"""A bundle's folder, as an agent reads it: `bundle.json`, `sha256` and, when it is signed, `ed25519`."""

from pathlib import Path

from edgeglm_api.bundle import BUNDLE_FILE, DIGEST_FILE, SIGNATURE_FILE, Bundle, decode, digest, encode
from edgeglm_api.model import InvalidObject
from edgeglm_api.packed import Files
from edgeglm_operator.offline.bad_input import BadInput


def read_folder(folder: Path) -> Files | None:
    """What lies there; None when there is no bundle. Raises BadInput when it is none, or was changed by hand."""
    try:
        raw = (folder / BUNDLE_FILE).read_bytes()
        signatures = folder / SIGNATURE_FILE
        files = Files(raw, digest(decode(raw)), signatures.read_text("ascii") if signatures.exists() else "")
        told = (folder / DIGEST_FILE).read_text("ascii").strip()
    except FileNotFoundError as error:
        if Path(error.filename).name == BUNDLE_FILE:
            return None
        raise BadInput(f"{error.filename}: {error.strerror}") from error
    except (OSError, UnicodeError) as error:
        raise BadInput(f"{folder}: {error}") from error
    except InvalidObject as error:
        raise BadInput(f"{folder / BUNDLE_FILE}: {error}") from error
    if told != files.digest:
        raise BadInput(f"{folder / DIGEST_FILE}: says {told[:64]!r}, but the content's is {files.digest}")
    return files


def write_bundle(folder: Path, bundle: Bundle) -> None:
    """Write a bundle that nobody has signed yet."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SIGNATURE_FILE).unlink(missing_ok=True)
    _put(folder / BUNDLE_FILE, encode(bundle))
    _put(folder / DIGEST_FILE, digest(bundle).encode())


def write_signatures(folder: Path, signatures: str) -> None:
    """Write who signed it."""
    _put(folder / SIGNATURE_FILE, signatures.encode())


def _put(path: Path, content: bytes) -> None:
    """All of it at once, for an agent may be reading."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    draft.replace(path)
