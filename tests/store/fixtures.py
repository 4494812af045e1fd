"""pytest fixtures: a real store that speaks S3 and real registries, started once a session and worker."""

from collections.abc import Iterator

import pytest

from tests.cluster.binaries import MissingToolchainError, ensure
from tests.cluster.command import CommandError
from tests.cluster.need import skip_or_fail
from tests.store.line import Line
from tests.store.place import set_up
from tests.store.registry import Registry, by_password
from tests.store.store import Store
from tests.store.tokens import Tokens


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


@pytest.fixture(scope="session")
def the_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """It asks nobody who they are."""
    try:
        ensure(["registry"])
    except (CommandError, MissingToolchainError) as error:
        skip_or_fail(f"no registry: {error}", "it is built from Go modules")
    with Registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture(scope="session")
def password_registry(the_registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """It wants a password for everything."""
    directory = tmp_path_factory.mktemp("registry")
    with Registry(directory, auth=by_password(directory)) as registry:
        yield registry


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tokens]:
    with Tokens(tmp_path_factory.mktemp("tokens")) as tokens:
        yield tokens


@pytest.fixture(scope="session")
def token_registry(
    the_registry: Registry, tokens: Tokens, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """It wants a token for everything."""
    with Registry(tmp_path_factory.mktemp("registry"), auth=tokens.configuration) as registry:
        yield registry
