"""From the bytes of a bundle to a bundle that can be applied."""

from typing import Final

import msgspec

from edgeglm_agent.config.problem import BundleRejected, Problem, Verdict
from edgeglm_agent.config.rules import problems_of
from edgeglm_agent.config.trust import Trust
from edgeglm_api.bundle import BUNDLE_FILE, DIGEST_FILE, MAX_BYTES, Bundle, decode, digest
from edgeglm_api.model import InvalidObject


class Received(msgspec.Struct, frozen=True):
    """The files of a bundle, as they were read."""

    raw: bytes
    digest: str
    signatures: str = ""


class Verified(msgspec.Struct, frozen=True):
    """A bundle that can be applied, its digest, and who signed it."""

    bundle: Bundle
    sha256: str
    signatures: str = ""
    signer: str = ""
    """The id of the trusted key that signed; empty when none had to."""


_ANYBODY: Final = Trust()


def verify(received: Received, trust: Trust = _ANYBODY) -> Verified:
    """Check size, signature, digest, form and rules; raises BundleRejected.

    The signature comes first: what a stranger wrote does not even reach the parser.
    """
    if len(received.raw) > MAX_BYTES:
        problem = Problem(BUNDLE_FILE, f"has {len(received.raw)} bytes; at most {MAX_BYTES} are read")
        raise BundleRejected(Verdict.TOO_LARGE, [problem])
    signer = trust.signer_of(received.raw, received.signatures)
    bundle = _decode(received.raw)
    sha256 = digest(bundle)
    if sha256 != received.digest.strip():
        problem = Problem(DIGEST_FILE, f"says {received.digest.strip()[:64]!r}, but the content's is {sha256}")
        raise BundleRejected(Verdict.DIGEST_MISMATCH, [problem])
    if problems := problems_of(bundle):
        raise BundleRejected(Verdict.INVALID, problems)
    return Verified(bundle, sha256, received.signatures, signer)


def succeeds(candidate: Verified, applied: Verified | None) -> bool:
    """Tell whether a bundle is to be applied after another; False when it is the same one.

    Raises BundleRejected when it comes from the past. A new siteUID is a new site, and begins where it likes.
    """
    if applied is None or candidate.bundle.site_uid != applied.bundle.site_uid:
        return True
    old, new = applied.bundle.generation, candidate.bundle.generation
    if new < old:
        problem = Problem("generation", f"is {new}, but {old} is applied; generations of a site never go down")
        raise BundleRejected(Verdict.GENERATION_WENT_DOWN, [problem])
    if new == old and candidate.sha256 != applied.sha256:
        problem = Problem("generation", f"is {new} as before, but the content differs; count it up")
        raise BundleRejected(Verdict.GENERATION_REUSED, [problem])
    return new > old


def stays_at_its_site(candidate: Verified, applied: Verified | None) -> None:
    """Raise BundleRejected when a bundle is another site's: its data would begin anew, beside that of this one."""
    if applied is not None and candidate.bundle.site_uid != applied.bundle.site_uid:
        old, new = applied.bundle.site_uid, candidate.bundle.site_uid
        problem = Problem("siteUID", f"is {new}, but {old} runs here; only a directory may name a new site")
        raise BundleRejected(Verdict.OTHER_SITE, [problem])


def _decode(raw: bytes) -> Bundle:
    try:
        return decode(raw)
    except InvalidObject as error:
        raise BundleRejected(Verdict.MALFORMED, [Problem(error.field, error.message)]) from error
    except (RecursionError, UnicodeError, OverflowError) as error:
        raise BundleRejected(Verdict.MALFORMED, [Problem(BUNDLE_FILE, str(error))]) from error
