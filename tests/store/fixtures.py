"""pytest fixtures: a real store that speaks S3, started once a session and worker."""

from collections.abc import Iterator

import pytest

from tests.cluster.command import CommandError
from tests.cluster.need import skip_or_fail
from tests.store.line import Line
from tests.store.place import set_up
from tests.store.store import Store


@pytest.fixture(scope="session")
def the_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    try:
        set_up()
    except CommandError as error:
        skip_or_fail(f"no store: {error}", "its environment comes from a package index")
    with Store(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def store(the_store: Store) -> Store:
    """With an empty bucket."""
    the_store.empty()
    return the_store


@pytest.fixture
def line(store: Store) -> Iterator[Line]:
    """The way to the store."""
    with Line(store.port) as line:
        yield line
