"""The Hub's HTTP API, as huggingface.co and its mirrors speak it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from edgeglm_operator.download.digest import Digest
from edgeglm_operator.download.errors import Unreachable
from edgeglm_operator.download.listing import Entry, is_inside
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.web import Body, Web

ENDPOINT: Final = "https://huggingface.co"
DEFAULT_REVISION: Final = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """One repository of one hub."""

    web: Web
    patience: Patience
    repository: str
    """OWNER/NAME."""
    endpoint: str = ENDPOINT
    default_revision: str = DEFAULT_REVISION

    @property
    def place(self) -> str:
        """Where its models lie in a cache: another hub may have another model of that name."""
        return f"{urlsplit(self.endpoint).netloc.replace(':', '_')}/{self.repository}"

    def commit_of(self, revision: str) -> str:
        """The commit that a branch or a tag means now."""
        answer, _ = self._json(f"{self.endpoint}/api/models/{self.repository}/revision/{quote(revision, safe='')}")
        try:
            return _commit(answer["sha"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._unintelligible("no commit") from error

    def entries(self, commit: str) -> Iterator[Entry]:
        """All files of a commit."""
        page = f"{self.endpoint}/api/models/{self.repository}/tree/{commit}?recursive=true"
        while page:
            answer, page = self._json(page)
            try:
                yield from [_entry(item) for item in answer if item["type"] == "file"]
            except (KeyError, TypeError, ValueError) as error:
                raise self._unintelligible("a listing of another shape") from error

    def body(self, commit: str, entry: Entry, *, offset: int, chunk_bytes: int) -> AbstractContextManager[Body]:
        """A file from an offset on; its address may redirect elsewhere."""
        url = f"{self.endpoint}/{self.repository}/resolve/{commit}/{quote(entry.path)}"
        return self.web.body(url, offset=offset, chunk_bytes=chunk_bytes)

    def _json(self, url: str) -> tuple[Any, str]:
        return self.patience.until_done(lambda: self.web.json(url))

    def _unintelligible(self, what: str) -> Unreachable:
        return Unreachable(f"{self.endpoint} answers with {what}; is it a hub?")


def _entry(item: dict[str, Any]) -> Entry:
    if not is_inside(item["path"]):
        raise ValueError(item["path"])
    # What is stored apart has a SHA-256; `oid` is then that of a pointer.
    digest = Digest("sha256", item["lfs"]["oid"]) if item.get("lfs") else Digest("git-blob", item["oid"])
    return Entry(item["path"], int(item["size"]), digest)


def _commit(text: str) -> str:
    """It becomes the name of a directory."""
    if not (text.isalnum() and text.isascii()):
        raise ValueError(text)
    return text
