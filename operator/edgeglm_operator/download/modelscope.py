"""ModelScope's HTTP API, as modelscope.cn and modelscope.ai speak it.

The facts are those of its own client, modelscope-hub 0.4 (`_legacy_api.py`, `_download.py`, `constants.py`):

- `GET /api/v1/models/OWNER/NAME/repo/files?Revision=…&Recursive=True` gives `{"Data": {"Files": [{"Path", "Type",
  "Size", "Sha256"}]}}`; `Type` is `blob` or `tree`. It ends without a word at 3000 entries, and knows no pages.
- `GET /api/v1/models/OWNER/NAME/repo?Revision=…&FilePath=…` gives a file; small ones come whole, whatever the range.
- The token is a Bearer token, and for older addresses a cookie.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

from edgeglm_operator.download.digest import Digest
from edgeglm_operator.download.errors import NotFound, Unreachable
from edgeglm_operator.download.listing import Entry, is_inside, name_of
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.web import Body, Web

SCHEME: Final = "ms://"
ENDPOINT: Final = "https://www.modelscope.cn"
DEFAULT_REVISION: Final = "master"
COOKIE: Final = "m_session_id"
_LISTING_LIMIT: Final = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScope:
    """One repository at one revision."""

    web: Web
    patience: Patience
    repository: str
    """OWNER/NAME."""
    revision: str = DEFAULT_REVISION
    endpoint: str = ENDPOINT
    default_revision: str = DEFAULT_REVISION

    @property
    def place(self) -> str:
        """Where its models lie in a cache."""
        return f"{urlsplit(self.endpoint).netloc.replace(':', '_')}/{self.repository}"

    def commit_of(self, revision: str) -> str:
        """What a revision means now. No commit is told, so it is a digest of the paths, sizes and checksums."""
        return _name_of(self._listed(revision))

    def entries(self, commit: str) -> list[Entry]:
        """All files of a commit. Raises NotFound when the revision has moved on: the older files are out of reach."""
        listed = self._listed(self.revision)
        if _name_of(listed) != commit:
            raise NotFound(
                f"{self.revision} of {self.repository} has moved on since this pod began with it; delete the pod to"
                " begin with what it means now"
            )
        return listed

    def body(self, _commit: str, entry: Entry, *, offset: int, chunk_bytes: int) -> AbstractContextManager[Body]:
        """A file from an offset on; the checksum of the listing tells if it is still the same."""
        url = f"{self._address}?Revision={quote_plus(self.revision)}&FilePath={quote_plus(entry.path)}"
        return self.web.body(url, offset=offset, chunk_bytes=chunk_bytes)

    @property
    def _address(self) -> str:
        return f"{self.endpoint}/api/v1/models/{self.repository}/repo"

    def _listed(self, revision: str) -> list[Entry]:
        url = f"{self._address}/files?Revision={quote_plus(revision)}&Recursive=True"
        answer, _ = self.patience.until_done(lambda: self.web.json(url))
        try:
            files = answer["Data"]["Files"]
            entries = list(_entries(files))
        except (KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"{self.endpoint} answers with a listing of another shape; is it ModelScope?") from error
        if len(files) >= _LISTING_LIMIT:
            raise Unreachable(f"{self.endpoint} lists no more than {_LISTING_LIMIT} files, and the model has so many")
        return entries


def _entries(files: list[dict[str, Any]]) -> Iterator[Entry]:
    for item in files:
        if item["Type"] == "tree":
            continue
        if not (is_inside(item["Path"]) and item["Sha256"]):
            raise ValueError(item["Path"])
        yield Entry(item["Path"], int(item["Size"]), Digest("sha256", item["Sha256"].lower()))


def _name_of(entries: list[Entry]) -> str:
    return name_of((entry.digest.value, entry.size, entry.path) for entry in entries)
