"""What a download asks of a place that models come from."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from edgeglm_operator.download.listing import Entry
from edgeglm_operator.download.web import Body


class Source(Protocol):
    """One model at one place. All of these raise DownloadError."""

    @property
    def default_revision(self) -> str:
        """What it is asked for where nobody says."""

    @property
    def place(self) -> str:
        """Where its models lie in a cache: another place may have another model of that name."""

    def commit_of(self, revision: str) -> str:
        """A name for what a revision means now, which never means anything else."""

    def entries(self, commit: str) -> Iterable[Entry]:
        """All files of a commit."""

    def body(self, commit: str, entry: Entry, *, offset: int, chunk_bytes: int) -> AbstractContextManager[Body]:
        """A file from an offset on. Raises Broken too, where another try may do."""
