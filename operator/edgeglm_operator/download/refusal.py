"""What it means when a server refuses: that another try may do, or which word there is for it."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from edgeglm_operator.download.errors import Broken, CredentialsMissing, DownloadError, Forbidden, NotFound, Unreachable

_LONGEST_WORDS: Final = 300
_LONGEST_ANSWER_BYTES: Final = 8192
_S3_REFUSALS: Final = frozenset({"ExpiredToken", "InvalidToken"})
"""S3 answers these with status 400."""


def refusal(url: str, response: urllib3.BaseHTTPResponse, *, is_known: bool) -> DownloadError | Broken:
    """The error of an answer that is none; `is_known` is whether the server was told who asks."""
    status, said = response.status, _words(response)
    what = f"{urlsplit(url).netloc} answers {status}" + (f" ({said})" if said else "") + f" to {url}"
    if status in {401, 403} or said.partition(":")[0] in _S3_REFUSALS:
        return Forbidden(f"{what}, with a token") if is_known else CredentialsMissing(f"{what}, without one")
    if status in {404, 410}:
        return NotFound(what)
    if status == 412:
        return NotFound(f"{what}: it was replaced since this pod began with it; delete the pod to begin anew")
    if status in {408, 429} or status >= 500:
        return Broken(what, _seconds(response.headers.get("Retry-After", "")))
    return Unreachable(what)


def _words(response: urllib3.BaseHTTPResponse) -> str:
    """What the server says itself: the Hub in a header, S3 in XML."""
    said = response.headers.get("X-Error-Message", "") or _of_s3(response)
    return said[:_LONGEST_WORDS]


def _of_s3(response: urllib3.BaseHTTPResponse) -> str:
    """Code and message, and where a bucket is that is asked for elsewhere. Request ids would change from run to run."""
    if "xml" not in response.headers.get("Content-Type", ""):
        return ""
    try:
        text = response.read(_LONGEST_ANSWER_BYTES).decode("utf-8", "replace")
    except HTTPError:
        return ""
    found: Mapping[str, str] = dict(re.findall(r"<(Code|Message|Region)>([^<]*)</\1>", text))
    region = found.get("Region") or response.headers.get("x-amz-bucket-region", "")
    words = ": ".join(found[name] for name in ("Code", "Message") if found.get(name))
    return f"{words}; the bucket is in region {region}" if words and region else words


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isdecimal() else None
