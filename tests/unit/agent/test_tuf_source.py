"""Bundles from a TUF repository: what is genuine and new is taken; what is old, strange or withheld is told apart."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from edgeglm_agent.config.https import Https
from edgeglm_agent.config.tuf_source import TufSource
from edgeglm_agent.main import main
from edgeglm_api.bundle import digest, encode
from edgeglm_api.packed import Files, pack
from tests.cluster.pki import Authority, make_authority
from tests.edge.bundles import a_bundle
from tests.edge.https_server import HttpsServer
from tests.edge.tuf_repository import TufRepository
from tests.unit.agent.watched import Watched

TARGET = "edge-1.bundle"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority: Authority) -> Iterator[HttpsServer]:
    server = HttpsServer(authority)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def repository(server: HttpsServer) -> TufRepository:
    repository = TufRepository(server.files)
    repository.publish(TARGET, packed(1))
    return repository


def packed(generation: int) -> bytes:
    bundle = a_bundle(generation=generation)
    return pack(Files(encode(bundle), digest(bundle)))


class At(Watched):
    """A site with its first root; another one on the same data is the next process there."""

    def __init__(self, server: HttpsServer, root: bytes, authority: Authority, data: Path) -> None:
        https = Https(authority.cert)
        super().__init__(TufSource(f"{server.url}/plant", TARGET, root, https, data, poll_seconds=60), data)
        self._again = (server, root, authority, data)

    def begin_again(self) -> "At":
        return At(*self._again)

    @property
    def source(self) -> str:
        return self.watch.source.state


@pytest.fixture
def site(server: HttpsServer, repository: TufRepository, authority: Authority, tmp_path: Path) -> At:
    return At(server, repository.first_root, authority, tmp_path / "data")


async def test_a_new_target_is_taken_and_an_old_one_is_not_fetched_again(
    server: HttpsServer, repository: TufRepository, site: At
) -> None:
    await site.watch.start()
    repository.publish(TARGET, packed(2))
    await site.watch.look()
    await site.watch.look()
    assert site.generations == [1, 2]
    assert site.source == "Fresh"
    assert len([asked for asked in server.asked if asked.path.startswith("/plant/targets/")]) == 2


async def test_roots_are_followed_from_the_one_that_was_brought(repository: TufRepository, site: At) -> None:
    await site.watch.start()
    repository.rotate("timestamp")
    repository.rotate("root")
    repository.rotate("targets")
    repository.publish(TARGET, packed(2))
    await site.watch.look()
    assert site.generations == [1, 2]
    again = site.begin_again()
    await again.watch.start()
    assert again.generations == [2]
    assert again.source == "Fresh"


async def test_expired_metadata_leave_what_was_verified_and_say_stale(repository: TufRepository, site: At) -> None:
    """Withheld news are noticed when the timestamp runs out, and even genuine ones are not begun with then."""
    await site.watch.start()
    repository.expire()
    repository.publish(TARGET, packed(2))
    site.now_ns += 3600 * 10**9
    await site.watch.look()
    state = site.watch.source
    assert (state.state, state.stale_seconds) == ("Stale", 3600.0)
    assert "expired" in state.failure
    assert site.told == ("Applied", "Applied", 1)
    again = site.begin_again()
    await again.watch.start()
    assert again.generations == [1], "also after a restart"
    assert again.source == "Stale"


async def test_a_repository_that_goes_back_is_refused_also_after_a_restart(
    server: HttpsServer, repository: TufRepository, site: At
) -> None:
    before = dict(server.files)
    repository.publish(TARGET, packed(2))
    await site.watch.start()
    server.files.clear()
    server.files.update(before)
    for at in (site, site.begin_again()):
        await at.watch.start()
        assert at.told == ("Rejected", "Untrusted", 2)
        assert at.watch.rejections == {"Untrusted": 1}
        assert at.source == "Stale"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "root"])
async def test_what_another_key_signed_is_refused(role: str, repository: TufRepository, site: At) -> None:
    await site.watch.start()
    repository.signers[role] = CryptoSigner.generate_ed25519()
    if role == "root":
        repository.root.signed.version += 1
        repository.publish_root(repository.signers["root"])
    repository.publish(TARGET, packed(2))
    await site.watch.look()
    assert site.told == ("Rejected", "Untrusted", 1)
    assert "signed by 0/1 keys" in site.watch.state.message


async def test_a_target_that_was_changed_is_refused(server: HttpsServer, repository: TufRepository, site: At) -> None:
    await site.watch.start()
    repository.publish(TARGET, packed(2))
    (path,) = [path for path, content in server.files.items() if content == packed(2)]
    server.files[path] = packed(2).replace(b'"tiny"', b'"huge"')
    await site.watch.look()
    assert site.told == ("Rejected", "Untrusted", 1)


async def test_a_repository_that_is_away_or_has_no_such_target_is_stale(
    server: HttpsServer, repository: TufRepository, site: At
) -> None:
    await site.watch.start()
    repository.targets.signed.targets.clear()
    repository.publish("other.bundle", packed(2))
    await site.watch.look()
    assert "has no such target" in site.watch.source.failure
    server.stop()
    await site.watch.look()
    assert "Cannot connect" in site.watch.source.failure
    assert site.told == ("Applied", "Applied", 1)


async def test_a_target_that_is_too_large_is_not_fetched(
    server: HttpsServer, repository: TufRepository, site: At
) -> None:
    repository.publish(TARGET, b"x" * 200_000)
    await site.watch.start()
    assert site.told == ("Rejected", "TooLarge", 0)
    assert [asked for asked in server.asked if "/targets/" in asked.path] == []


@pytest.mark.parametrize("root", [b"", b"{}", b"not json"])
async def test_a_root_that_is_none_is_told(
    root: bytes, server: HttpsServer, authority: Authority, tmp_path: Path
) -> None:
    site = At(server, root, authority, tmp_path)
    await site.watch.start()
    assert site.told == ("Rejected", "Untrusted", 0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--tuf-target", TARGET], "--tuf-target and --tuf-root go together"),
        (["--tuf-root", "root.json"], "--tuf-target and --tuf-root go together"),
        (["--tuf-target", TARGET, "--tuf-root", "/nowhere/root.json"], "/nowhere/root.json: No such file or directory"),
    ],
)
@pytest.mark.usefixtures("root_log")
def test_without_a_root_it_does_not_start(
    options: list[str], says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    argv = ["run", "--data", str(tmp_path), "--bundle", "https://host/plant", *options]
    assert main(argv) == 2
    assert says in capfd.readouterr().err
