"""The Hub's HTTP API, as huggingface.co and its mirrors speak it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from edgeglm_operator.download.errors import Unreachable
from edgeglm_operator.download.listing import Digest, Entry, is_inside
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.web import Web

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

    def url_of(self, commit: str, path: str) -> str:
        """Where a file is had from; it may redirect elsewhere."""
        return f"{self.endpoint}/{self.repository}/resolve/{commit}/{quote(path)}"

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
