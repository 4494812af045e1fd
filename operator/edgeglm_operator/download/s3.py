"""S3's HTTP API, as AWS and the stores that follow it speak it: the objects below one prefix are a model.

- `GET /BUCKET?list-type=2&prefix=…` lists keys, sizes and entity tags, a thousand at a time.
- `HEAD` of an object tells its checksums, where `x-amz-checksum-mode` asks for them. The entity tag is the content's
  MD5, or of an object that came in N parts `MD5 of their MD5s-N`; but not where KMS or a customer's key encrypts it.
- `HEAD …?partNumber=1` tells how large the first part is; all but the last are, by every tool, as large.
- `If-Match` makes an object that was replaced meanwhile a refusal (412).

docs.aws.amazon.com/AmazonS3/latest/API: ListObjectsV2, HeadObject, GetObject; userguide/checking-object-integrity.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree as ET

from edgeglm_operator.download.digest import Digest, Kind
from edgeglm_operator.download.errors import ChecksumMissing, NotFound, Unreachable
from edgeglm_operator.download.listing import Entry, is_inside, name_of
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.web import Body, Web

SCHEME: Final = "s3://"
DEFAULT_REGION: Final = "us-east-1"
_MOST_FILES: Final = 3000
_MOST_PAGES: Final = 300
_TAG: Final = re.compile(r"[!-~]+")
"""It goes back to the store in a header."""
_OF_MD5: Final = re.compile(r"[0-9A-Fa-f]{32}(-[0-9]+)?")
_CHECKSUMS: Final = {"x-amz-checksum-mode": "ENABLED"}


@dataclass(frozen=True)
class _Object:
    """One object as it is listed."""

    path: str
    """Its key, without the prefix."""
    size: int
    tag: str


@dataclass(frozen=True, kw_only=True)
class S3:
    """The objects below one prefix of a bucket."""

    web: Web
    patience: Patience
    bucket: str
    prefix: str
    """Without slashes at its ends."""
    endpoint: str
    default_revision: str = "latest"

    @property
    def place(self) -> str:
        """Where its models lie in a cache: flat, since one prefix may lie within another."""
        digest, last = hashlib.sha256(self.prefix.encode()).hexdigest(), self.prefix.rpartition("/")[2]
        return f"{self._host.replace(':', '_')}/{self.bucket}/{last[:100]}-{digest[:16]}"

    def commit_of(self, _revision: str) -> str:
        """A digest of keys, sizes and entity tags: S3 has no name for all of it."""
        return name_of((each.tag, each.size, each.path) for each in self._objects.values())

    def entries(self, commit: str) -> Iterator[Entry]:
        """All files. Raises NotFound when one has been replaced: the older ones are out of reach."""
        if self.commit_of(self.default_revision) != commit:
            raise NotFound(
                f"s3://{self.bucket}/{self.prefix} has changed since this pod began with it; delete the pod to begin"
                " with what is there now"
            )
        return (Entry(each.path, each.size, self._digest(each)) for each in self._objects.values())

    def body(self, _commit: str, entry: Entry, *, offset: int, chunk_bytes: int) -> AbstractContextManager[Body]:
        """A file from an offset on, as long as it is the one that was listed."""
        same = {"If-Match": f'"{self._objects[entry.path].tag}"'}
        return self.web.body(self._url_of(entry.path), offset=offset, chunk_bytes=chunk_bytes, headers=same)

    @property
    def _host(self) -> str:
        return urlsplit(self.endpoint).netloc

    @property
    def _root(self) -> str:
        """An endpoint whose name begins with the bucket's is the bucket's own; some stores have no other."""
        return self.endpoint if self._host.startswith(f"{self.bucket}.") else f"{self.endpoint}/{self.bucket}"

    def _url_of(self, path: str) -> str:
        return f"{self._root}/{quote(f'{self.prefix}/{path}', safe='/~')}"

    @cached_property
    def _objects(self) -> Mapping[str, _Object]:
        """Listed once, so that all that follows is of one moment. By path."""
        found: dict[str, _Object] = {}
        for page in self._pages():
            found |= {each.path: each for each in self._read(page)}
            if len(found) > _MOST_FILES:
                raise NotFound(f"s3://{self.bucket}/{self.prefix} has more than {_MOST_FILES} files; is it one model?")
        if not found:
            raise NotFound(f"bucket {self.bucket} at {self._host} has nothing below {self.prefix}/")
        return found

    def _pages(self) -> Iterator[ET.Element]:
        token = ""
        for _ in range(_MOST_PAGES):
            page = self._page(token)
            yield page
            if page.findtext("{*}IsTruncated") != "true":
                return
            token = page.findtext("{*}NextContinuationToken") or ""
            if not token:
                break
        raise self._unintelligible()

    def _page(self, token: str) -> ET.Element:
        query = {"list-type": "2", "prefix": f"{self.prefix}/"} | ({"continuation-token": token} if token else {})
        url = f"{self._root}/?{urlencode(query, quote_via=quote, safe='')}"
        text = self.patience.until_done(lambda: self.web.content(url))
        try:
            page = ET.fromstring(text)  # noqa: S314 - Expat has had bounds on entities since 2.4.1
        except ET.ParseError as error:
            raise self._unintelligible() from error
        if page.tag.rpartition("}")[2] != "ListBucketResult":
            raise self._unintelligible()
        return page

    def _read(self, page: ET.Element) -> Iterator[_Object]:
        for item in page.iterfind("{*}Contents"):
            key, size, tag = (item.findtext(f"{{*}}{name}") or "" for name in ("Key", "Size", "ETag"))
            path = key.removeprefix(f"{self.prefix}/")
            # Consoles mark a directory by an empty object with its name.
            if not path or path.endswith("/"):
                continue
            if path == key or not (is_inside(path) and size.isdecimal() and _TAG.fullmatch(tag)):
                raise self._unintelligible()
            yield _Object(path, int(size), tag.strip('"'))

    def _digest(self, listed: _Object) -> Digest:
        """The best checksum that the store has: of the whole rather than of parts."""
        url = self._url_of(listed.path)
        told = self.patience.until_done(lambda: self.web.head(url, {**_CHECKSUMS, "If-Match": f'"{listed.tag}"'}))
        checksums = [(kind, *value.partition("-")[::2]) for kind, value in _checksums(listed, told)]
        for kind, digest, parts in checksums:
            if not parts:
                return Digest(kind, digest)
        part_bytes = self._part_bytes(url) if checksums else 0
        for kind, digest, parts in checksums:
            if part_bytes and str(-(-listed.size // part_bytes)) == parts:
                return Digest(kind, digest, part_bytes=part_bytes)
        raise ChecksumMissing(
            f"{self._host} has no checksum of s3://{self.bucket}/{self.prefix}/{listed.path} that can be reckoned"
        )

    def _part_bytes(self, url: str) -> int:
        """What was put there as one: all of it, where the store knows nothing of parts."""
        told = self.patience.until_done(lambda: self.web.head(f"{url}?partNumber=1", _CHECKSUMS))
        length = told.get("content-length", "")
        return int(length) if length.isdecimal() else 0

    def _unintelligible(self) -> Unreachable:
        return Unreachable(f"{self._host} answers with no listing of a bucket; is it a store that speaks S3?")


def _checksums(listed: _Object, told: Mapping[str, str]) -> Iterator[tuple[Kind, str]]:
    """In hexadecimal digits, best first; those of parts end in `-N`."""
    in_parts = listed.tag.partition("-")[2]
    if sha256 := told.get("x-amz-checksum-sha256"):
        digest, _, parts = sha256.partition("-")
        # Of what came in parts, it is of the parts; not every store says so by the ending.
        parts = parts or (in_parts if told.get("x-amz-checksum-type") != "FULL_OBJECT" else "")
        yield "sha256", _hexadecimal(digest) + (f"-{parts}" if parts else "")
    if crc := told.get("x-amz-checksum-crc64nvme"):
        yield "crc64nvme", _hexadecimal(crc)
    is_secret = told.get("x-amz-server-side-encryption", "").startswith("aws:kms")
    is_secret = is_secret or "x-amz-server-side-encryption-customer-algorithm" in told
    if not is_secret and _OF_MD5.fullmatch(listed.tag):
        yield "md5", listed.tag.lower()


def _hexadecimal(base_64: str) -> str:
    """Of what is no base 64, something that nothing has as its digest."""
    try:
        return base64.b64decode(base_64, validate=True).hex()
    except ValueError:
        return base_64
