"""From a real registry into a cache: artifacts of files, archives and images; whole or not at all, by their digests."""

import errno
import json
import os
import platform
import tarfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from edgeglm_api.download import LastMessage, Outcome
from edgeglm_operator.download.access import Access
from edgeglm_operator.download.download import Means, Wish, download
from edgeglm_operator.download.errors import (
    ChecksumMismatch,
    CredentialsMissing,
    DiskFull,
    DownloadError,
    Forbidden,
    NotFound,
    Unreachable,
)
from edgeglm_operator.download.pace import Pace
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.registry import Reference, reference_of
from edgeglm_operator.download.source import Source
from edgeglm_operator.download.sources import Wanted, source_of
from edgeglm_operator.download.web import Web
from tests.store.line import Fault, Line
from tests.store.registry import (
    EMPTY,
    IMAGE_CONFIG,
    INDEX,
    LAYER,
    MANIFEST,
    PASSWORD,
    USER,
    Registry,
    a_file,
    an_archive,
    digest_of,
)
from tests.store.tokens import PUBLIC, Tokens

pytestmark = pytest.mark.store

WEIGHTS = "model.safetensors"
FILES = {
    "config.json": b'{"model_type": "glm"}',
    "tokenizer/tokenizer.json": b"{}" * 200,
    WEIGHTS: bytes(range(256)) * 4000,
}
READER = {"OCI_USERNAME": USER, "OCI_PASSWORD": PASSWORD}
NOBODY: dict[str, str] = {}


class Pod:
    """What one pod has: its link, the cache, and the way to a registry."""

    def __init__(self, line: Line, place: Path) -> None:
        self.line = line
        self.cache, self.link = place / "cache", place / "pod"

    def source(self, model: str, environment: Mapping[str, str]) -> Source:
        wanted = Wanted(model=f"oci://registry.example/{model}", endpoint=self.line.url)
        return source_of(wanted, environment, Patience(lambda _: None))

    def run(
        self, model: str, environment: Mapping[str, str] = NOBODY, *, limit: int | None = None, **wish: Any
    ) -> LastMessage:
        """One container."""
        source = self.source(model, environment)
        pace = Pace(limit, clock=lambda: 0.0, sleep=lambda _: None)
        options = {"revision": source.default_revision, "cache": self.cache, "link": self.link, **wish}
        means = Means(source=source, pace=pace, patience=Patience(lambda _: None), now=lambda: datetime.now(UTC))
        return download(Wish(**options), means)

    def files(self) -> dict[str, bytes]:
        """What the engine sees."""
        root = self.link.resolve()
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def pod(the_registry: Registry, tmp_path: Path) -> Iterator[Pod]:
    with Line(the_registry.port) as line:
        yield Pod(line, tmp_path)


@pytest.fixture
def artifact(the_registry: Registry) -> str:
    """Each file a layer of its own, as ORAS pushes them."""
    the_registry.push("plant/glm", "v1", [a_file(path, content) for path, content in FILES.items()])
    return "plant/glm:v1"


def test_an_artifact_of_files_comes_whole_and_only_once(pod: Pod, artifact: str) -> None:
    said = pod.run(artifact)
    assert (said.outcome, said.total_bytes) == (Outcome.WHOLE, sum(map(len, FILES.values())))
    assert pod.files() == FILES
    pod.line.asked.clear()
    pod.link.unlink()
    assert pod.run(artifact).outcome is Outcome.WHOLE
    assert [each.path for each in pod.line.asked] == ["/v2/", "/v2/plant/glm/manifests/v1"]


@pytest.mark.parametrize("key", ["org.cncf.model.filepath", "org.cnai.model.filepath"])
def test_a_model_pack_is_one_of_files_too(pod: Pod, the_registry: Registry, key: str) -> None:
    the_registry.push("plant/pack", "v1", [a_file(path, content, key=key) for path, content in FILES.items()])
    pod.run("plant/pack:v1")
    assert pod.files() == FILES


def test_a_digest_is_asked_for_as_it_is(pod: Pod, the_registry: Registry, artifact: str) -> None:
    digest = the_registry.push("plant/glm", "v2", [a_file("config.json", b"{}")])
    pod.run(f"{artifact}@{digest}")
    assert pod.files() == {"config.json": b"{}"}
    assert pod.link.readlink().name == digest.removeprefix("sha256:")


def test_of_an_image_the_model_is_what_lies_in_models(pod: Pod, the_registry: Registry) -> None:
    base = an_archive({"bin": None, "bin/sh": b"#!", "models": None, "models/old.json": b"1", "models/a/b.json": b"2"})
    change = an_archive(
        {"./models/config.json": b"{}", "models/.wh.old.json": b"", "models/sub/x.json": b"3"}, zipped=False
    )
    last = an_archive({"models/sub/.wh..wh..opq": b"", "models/sub/y.json": b"4", "models/config.json": b"[]"})
    the_registry.push("plant/car", "v1", [base, change, last], config=IMAGE_CONFIG)
    pod.run("plant/car:v1")
    assert pod.files() == {"a/b.json": b"2", "sub/y.json": b"4", "config.json": b"[]"}


def test_an_archive_of_an_artifact_is_all_of_it(pod: Pod, the_registry: Registry) -> None:
    the_registry.push("plant/kit", "v1", [an_archive(FILES), a_file("extra.json", b"{}")])
    pod.run("plant/kit:v1")
    assert pod.files() == FILES | {"extra.json": b"{}"}


def test_a_line_that_is_cut_is_gone_on_with_where_it_broke(pod: Pod, artifact: str) -> None:
    blob = digest_of(FILES[WEIGHTS])
    pod.line.faults = [Fault(blob, after_bytes=300_000), Fault(blob, status=503)]
    pod.run(artifact)
    assert pod.files() == FILES
    assert pod.line.fetched(blob) == ["", "bytes=300000-", "bytes=300000-"]


def test_shares_add_up_also_with_archives(pod: Pod, the_registry: Registry) -> None:
    the_registry.push("plant/shares", "v1", [an_archive(FILES, zipped=False), a_file("extra.json", b"{}")])
    for percent in (10, 50):
        said = pod.run("plant/shares:v1", until_percent=percent, limit=100_000)
        assert said.outcome is Outcome.DOWNLOADING
    assert pod.run("plant/shares:v1").outcome is Outcome.WHOLE
    assert pod.files() == FILES | {"extra.json": b"{}"}


def test_a_pod_keeps_what_the_tag_meant_when_it_began(pod: Pod, the_registry: Registry, artifact: str) -> None:
    pod.run(artifact, until_percent=10, limit=100_000)
    the_registry.push("plant/glm", "v1", [a_file("config.json", b"newer")])
    pod.run(artifact)
    assert pod.files() == FILES


def test_a_site_without_a_link_starts_with_what_the_tag_meant_last(pod: Pod, artifact: str) -> None:
    pod.run(artifact)
    pod.link.unlink()
    pod.line.faults = [Fault("", times=999, status=503)]
    assert pod.run(artifact).outcome is Outcome.WHOLE
    assert pod.files() == FILES


def test_a_layer_that_is_another_is_told(pod: Pod, artifact: str) -> None:
    pod.line.faults = [Fault(digest_of(FILES[WEIGHTS]), instead=b"x" * len(FILES[WEIGHTS]))]
    with pytest.raises(ChecksumMismatch, match=WEIGHTS):
        pod.run(artifact)
    pod.run(artifact)
    assert pod.files() == FILES


def test_a_manifest_that_is_another_is_told(pod: Pod, artifact: str) -> None:
    source = pod.source(artifact, NOBODY)
    commit = source.commit_of("v1")
    pod.line.faults = [Fault(f"sha256:{commit}", instead=b'{"layers": []}')]
    with pytest.raises(ChecksumMismatch, match="another manifest"):
        source.entries(commit)


MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def an_index(registry: Registry, name: str, *machines: str) -> str:
    """Of an artifact for each machine, whose file says which."""
    manifests = []
    for machine in machines:
        digest = registry.push(name, machine, [a_file("config.json", machine.encode())])
        size = 1
        where = {"platform": {"os": "linux", "architecture": machine}}
        manifests.append({"mediaType": MANIFEST, "digest": digest, "size": size, **where})
    registry.put_manifest(name, "all", {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
    return f"{name}:all"


@pytest.mark.parametrize(
    ("machines", "chosen"),
    [(("s390x", MACHINE), MACHINE), (("s390x",), "s390x"), (("s390x", "unknown"), "s390x")],
    ids=["this machine's", "the only one", "the only model"],
)
def test_of_several_that_for_this_machine_is_taken(
    pod: Pod, the_registry: Registry, machines: tuple[str, ...], chosen: str
) -> None:
    pod.run(an_index(the_registry, f"plant/index-{len(machines)}-{machines[-1]}", *machines))
    assert pod.files() == {"config.json": chosen.encode()}


def test_of_several_that_are_all_for_others_none_is_taken(pod: Pod, the_registry: Registry) -> None:
    with pytest.raises(NotFound, match=f"nothing for linux/{MACHINE}"):
        pod.run(an_index(the_registry, "plant/others", "s390x", "riscv64"))


@pytest.mark.parametrize(("model", "says"), [("plant/none:v1", "404"), ("plant/glm:v9", "404")])
def test_what_is_not_there_is_told(pod: Pod, artifact: str, model: str, says: str) -> None:
    with pytest.raises(NotFound, match=says):
        pod.run(model)


def test_who_wants_a_password_gets_it(password_registry: Registry, tmp_path: Path) -> None:
    registry = password_registry
    registry.pushes_as = {"Authorization": "Basic cmVhZGVyOm9mLXRoZS1yZWdpc3RyeQ=="}
    registry.push("plant/glm", "v1", [a_file("config.json", b"{}")])
    with Line(registry.port) as line:
        pod = Pod(line, tmp_path)
        with pytest.raises(CredentialsMissing, match="401"):
            pod.run("plant/glm:v1")
        with pytest.raises(Forbidden, match="401"):
            pod.run("plant/glm:v1", READER | {"OCI_PASSWORD": "wrong"})
        assert pod.run("plant/glm:v1", READER).outcome is Outcome.WHOLE


@pytest.fixture
def behind_tokens(token_registry: Registry, tokens: Tokens, tmp_path: Path) -> Iterator[Pod]:
    for name in ("plant/glm", f"{PUBLIC}glm"):
        token_registry.pushes_as = {"Authorization": f"Bearer {tokens.token(f'repository:{name}:pull,push')}"}
        token_registry.push(name, "v1", [a_file(path, content) for path, content in FILES.items()])
    tokens.scopes.clear()
    tokens.holds_seconds = 300
    with Line(token_registry.port) as line:
        yield Pod(line, tmp_path)


def test_who_wants_a_token_gets_one_for_this_name_alone(behind_tokens: Pod, tokens: Tokens) -> None:
    assert behind_tokens.run("plant/glm:v1", READER).outcome is Outcome.WHOLE
    assert tokens.scopes == ["repository:plant/glm:pull"]
    assert not [each for each in behind_tokens.line.asked if each.headers.get("authorization", "").startswith("Basic")]


def test_everybody_gets_a_token_for_what_is_public(behind_tokens: Pod) -> None:
    assert behind_tokens.run(f"{PUBLIC}glm:v1").outcome is Outcome.WHOLE
    assert behind_tokens.files() == FILES


def test_a_token_that_is_nearly_over_is_not_used(behind_tokens: Pod, tokens: Tokens) -> None:
    tokens.holds_seconds = -1
    assert behind_tokens.run("plant/glm:v1", READER).outcome is Outcome.WHOLE
    assert len(tokens.scopes) == len(behind_tokens.line.asked) - 1


def test_no_token_without_the_right_password(behind_tokens: Pod) -> None:
    with pytest.raises(CredentialsMissing, match="401"):
        behind_tokens.run("plant/glm:v1")
    with pytest.raises(Forbidden, match="401"):
        behind_tokens.run("plant/glm:v1", READER | {"OCI_PASSWORD": "wrong"})


class Challenging(Web):
    """Sends for a token to a place where all can listen."""

    def challenge(self, url: str) -> str:  # noqa: ARG002
        return 'Bearer realm="http://tokens.example/",service="x"'


def test_a_password_is_not_sent_in_the_clear_when_the_registry_is_secure() -> None:
    access = Access(Challenging(), "https://registry.example", "a", user=USER, password=PASSWORD, clock=lambda: 1.0)
    with pytest.raises(Unreachable, match="overheard"):
        access.sign("GET", "https://registry.example/v2/a/manifests/v1", {})


def a_tar(*members: tarfile.TarInfo) -> dict[str, Any]:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for member in members:
            archive.addfile(member)
    return {"content": packed.getvalue(), "media_type": LAYER}


def a_link(kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo("model.safetensors")
    member.type, member.linkname = kind, "/etc/passwd"
    return member


BAD_ARCHIVES = {
    "leads out": (an_archive({"../x": b"1"}), "leads out"),
    "a symbolic link": (a_tar(a_link(tarfile.SYMTYPE)), "a link"),
    "a hard link": (a_tar(a_link(tarfile.LNKTYPE)), "a link"),
    "no archive": ({"content": b"not a tar" * 100, "media_type": LAYER}, "cannot be unpacked"),
    "zstd": ({"content": b"\x28\xb5\x2f\xfd" + b"x" * 900, "media_type": f"{LAYER}+zstd"}, "cannot be unpacked"),
    "cut off": ({**an_archive(FILES), "content": an_archive(FILES)["content"][:2000]}, "cannot be unpacked"),
    "empty": (an_archive({"models": None}), "none of its 1 layers has a file"),
}


@pytest.mark.parametrize("kind", BAD_ARCHIVES)
def test_an_archive_that_is_not_to_be_trusted_is_refused(
    pod: Pod, the_registry: Registry, tmp_path: Path, kind: str
) -> None:
    layer, says = BAD_ARCHIVES[kind]
    the_registry.push("plant/bad", "v1", [layer])
    with pytest.raises(NotFound, match=says):
        pod.run("plant/bad:v1")
    assert not pod.link.exists()
    assert not (tmp_path / "x").exists()


def test_an_image_without_a_model_is_told(pod: Pod, the_registry: Registry) -> None:
    the_registry.push("plant/base", "v1", [an_archive({"bin/sh": b"#!"})], config=IMAGE_CONFIG)
    with pytest.raises(NotFound, match="none of its 1 layers has a file in /models"):
        pod.run("plant/base:v1")


def test_a_kill_while_unpacking_leaves_nothing_half(
    pod: Pod, the_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first layer is gone by then, and comes again; what it puts there, the second takes away as before."""
    first = an_archive({"models/a.json": b"1", "models/old.json": b"1"})
    second = an_archive({"models/.wh.old.json": b"", "models/b.json": b"2", "models/c.json": b"3"})
    the_registry.push("plant/killed", "v1", [first, second], config=IMAGE_CONFIG)
    calls, real = iter(range(99)), os.fsync

    def dies(handle: int) -> None:
        # Two layers and two files of the first; then in the middle of the second.
        if next(calls) == 5:
            raise KeyboardInterrupt
        real(handle)

    monkeypatch.setattr("os.fsync", dies)
    with pytest.raises(KeyboardInterrupt):
        pod.run("plant/killed:v1")
    assert not pod.link.exists()
    pod.run("plant/killed:v1")
    assert pod.files() == {"a.json": b"1", "b.json": b"2", "c.json": b"3"}


def test_a_disk_that_becomes_full_while_unpacking_is_told(
    pod: Pod, the_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_registry.push("plant/full", "v1", [an_archive(FILES)])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(DiskFull):
        pod.run("plant/full:v1")


def test_room_is_asked_for_what_is_unpacked_beside_its_archive(pod: Pod, the_registry: Registry) -> None:
    layer = an_archive(FILES, zipped=False)
    size = len(layer["content"])
    the_registry.push("plant/room", "v1", [layer])
    with pytest.raises(DiskFull, match="its cache may take"):
        pod.run("plant/room:v1", allowed_bytes=2 * size - 1)
    assert pod.run("plant/room:v1", allowed_bytes=2 * size).outcome is Outcome.WHOLE


BOMB = an_archive({"config.json": b"{}", WEIGHTS: bytes(2_000_000)})


def test_an_archive_that_is_small_and_holds_much_is_stopped_at_what_it_may_take(
    pod: Pod, the_registry: Registry
) -> None:
    assert len(BOMB["content"]) < 10_000
    the_registry.push("plant/bomb", "v1", [BOMB])
    with pytest.raises(DiskFull, match="unpacked, the model takes more"):
        pod.run("plant/bomb:v1", allowed_bytes=1_000_000)
    assert not list(pod.cache.rglob(WEIGHTS))


def test_a_file_that_does_not_fit_the_disk_is_not_begun(
    pod: Pod, the_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_registry.push("plant/bomb", "v1", [BOMB])
    hundred_blocks_free = os.statvfs_result((4096, 4096, 0, 0, 100, 0, 0, 0, 0, 255))
    monkeypatch.setattr("os.statvfs", lambda _: hundred_blocks_free)
    with pytest.raises(DiskFull, match="is to be unpacked, and the disk has"):
        pod.run("plant/bomb:v1")
    assert not list(pod.cache.rglob(WEIGHTS))


def a_manifest(*layers: dict[str, Any]) -> bytes:
    described = [{"mediaType": "x/raw", "digest": f"sha256:{'0' * 64}", "size": 1, **layer} for layer in layers]
    return json.dumps({"config": {"mediaType": "x"}, "layers": described}).encode()


def named(name: str) -> dict[str, Any]:
    return {"annotations": {"org.opencontainers.image.title": name}}


BAD_MANIFESTS = {
    "no JSON": b"<html>",
    "a list": b"[]",
    "no layers": b'{"config": {"mediaType": "x"}}',
    "a layer without a name": a_manifest({}),
    "a name that leads out": a_manifest(named("../x")),
    "a name twice": a_manifest(named("a"), named("a")),
    "two ways to write a name": a_manifest(named("a/b"), named("a//b")),
    "annotations of another shape": a_manifest({"annotations": ["a"]}),
    "fewer bytes than none": a_manifest({"size": -1, **named("a")}),
    "too many layers": a_manifest(*(named(str(number)) for number in range(3001))),
    "a digest of another kind": a_manifest({"digest": "md5:1", **named("a")}),
    "a size that is none": a_manifest({"size": "much", **named("a")}),
    "an index of nothing": b'{"manifests": [{}]}',
}


@pytest.mark.parametrize("kind", BAD_MANIFESTS)
def test_a_manifest_that_makes_no_sense_is_refused(pod: Pod, kind: str) -> None:
    content = BAD_MANIFESTS[kind]
    names = ("manifests/v1", digest_of(content))
    pod.line.faults = [Fault(name, status=200, instead=content) for name in names]
    with pytest.raises(Unreachable, match="is it a model in a registry"):
        pod.run("plant/glm:v1")


def test_an_empty_layer_stands_for_none(pod: Pod, the_registry: Registry) -> None:
    the_registry.push("plant/empty", "v1", [{"content": b"{}", "media_type": EMPTY}, a_file("config.json", b"[]")])
    pod.run("plant/empty:v1")
    assert pod.files() == {"config.json": b"[]"}


DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("r.example/a", ("r.example", "a", "latest")),
        ("r.example:5000/a/b:v1", ("r.example:5000", "a/b", "v1")),
        (f"r.example/a@{DIGEST}", ("r.example", "a", DIGEST)),
        (f"r.example/a:v1@{DIGEST}", ("r.example", "a", DIGEST)),
    ],
)
def test_a_reference_is_read_as_others_do(text: str, parts: tuple[str, str, str]) -> None:
    registry, name, wanted = parts
    assert reference_of(text) == Reference(registry=registry, name=name, wanted=wanted)


def test_names_within_each_other_have_caches_apart(pod: Pod) -> None:
    places = {pod.source(name, NOBODY).place for name in ("a", "a/a", "a/refs", "b/a")}
    assert len(places) == 4
    assert {place.count("/") for place in places} == {1}


def test_the_registry_of_docker_is_elsewhere(pod: Pod) -> None:
    source: Any = source_of(Wanted(model="oci://docker.io/plant/glm:v1"), {}, Patience(lambda _: None))
    assert (source.endpoint, source.place.partition("/")[0]) == ("https://registry-1.docker.io", "docker.io")


def test_where_the_way_ends_is_told(tmp_path: Path) -> None:
    source = source_of(Wanted(model="oci://registry.invalid/a:v1"), {}, Patience(lambda _: None))
    with pytest.raises(DownloadError, match="Failed to resolve"):
        source.commit_of("v1")
