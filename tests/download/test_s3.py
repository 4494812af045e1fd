"""From a real store that speaks S3 into a cache: whole or not at all, checked, and only with the right keys."""

import base64
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from awscrt.checksums import crc64nvme

from edgeglm_api.download import LastMessage, Outcome, read_last_message
from edgeglm_operator.download.digest import Digest
from edgeglm_operator.download.download import Means, Wish, download
from edgeglm_operator.download.errors import (
    ChecksumMismatch,
    ChecksumMissing,
    CredentialsMissing,
    DiskFull,
    DownloadError,
    Forbidden,
    NotFound,
    Unreachable,
)
from edgeglm_operator.download.pace import Pace
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.source import Source
from edgeglm_operator.download.sources import Wanted, source_of
from tests.store.line import Fault, Line
from tests.store.store import BUCKET, PAGE, PART_BYTES, Store

pytestmark = pytest.mark.store

PREFIX = "plant a/glm"
WEIGHTS = "model.safetensors"
FILES = {
    "config.json": b'{"model_type": "glm"}',
    "tokenizer/a b+c~d.json": b"{}" * 200,
    WEIGHTS: bytes(range(256)) * 4000,
}


class Pod:
    """What one pod has: its link, the cache, and the way to the store."""

    def __init__(self, store: Store, line: Line, place: Path) -> None:
        self.store, self.line = store, line
        self.cache, self.link = place / "cache", place / "pod"
        self.waits: list[float] = []

    def source(self, *, uri: str = f"s3://{BUCKET}/{PREFIX}", endpoint: str = "", **environment: str) -> Source:
        keys = {"AWS_ACCESS_KEY_ID": self.store.key_id, "AWS_SECRET_ACCESS_KEY": self.store.secret}
        wanted = Wanted(model=uri, endpoint=endpoint or self.line.url)
        return source_of(wanted, keys | environment, Patience(self.waits.append))

    def run(self, source: Source | None = None, *, limit: int | None = None, **wish: Any) -> LastMessage:
        """One container."""
        source = source or self.source()
        pace = Pace(limit, clock=lambda: 0.0, sleep=lambda _: None)
        options = {"revision": source.default_revision, "cache": self.cache, "link": self.link, **wish}
        patience = Patience(self.waits.append)
        return download(
            Wish(**options), Means(source=source, pace=pace, patience=patience, now=lambda: datetime.now(UTC))
        )

    def files(self) -> dict[str, bytes]:
        """What the engine sees."""
        root = self.link.resolve()
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def pod(store: Store, line: Line, tmp_path: Path) -> Pod:
    for path, content in FILES.items():
        store.put(f"{PREFIX}/{path}", content)
    # What lies beside the prefix, or only marks it, is no part of the model.
    store.put(f"{PREFIX}-other/config.json", b"another model")
    store.put(f"{PREFIX}/", b"")
    store.only_who_is_known()
    return Pod(store, line, tmp_path)


def test_what_lies_below_the_prefix_comes_whole_and_only_once(pod: Pod) -> None:
    said = pod.run()
    assert (said.outcome, said.total_bytes) == (Outcome.WHOLE, sum(map(len, FILES.values())))
    assert pod.files() == FILES
    pod.line.asked.clear()
    pod.link.unlink()
    assert pod.run().outcome is Outcome.WHOLE
    assert [each.query.partition("&")[0] for each in pod.line.asked] == ["list-type=2"]


def test_an_endpoint_of_the_buckets_own_is_asked_without_its_name(pod: Pod) -> None:
    """Some stores know buckets by host names alone. No host of that name is here, so the line is its proxy."""
    wanted = Wanted(model=f"s3://{BUCKET}/{PREFIX}", endpoint=f"http://{BUCKET}.store.example", proxy=pod.line.url)
    source = source_of(wanted, {}, Patience(lambda _: None))
    with pytest.raises(DownloadError):
        pod.run(source)
    assert {each.path for each in pod.line.asked} == {"/"}
    assert {each.headers["host"] for each in pod.line.asked} == {f"{BUCKET}.store.example"}


def test_a_line_that_is_cut_is_gone_on_with_where_it_broke(pod: Pod) -> None:
    pod.line.faults = [Fault(WEIGHTS, after_bytes=300_000), Fault(WEIGHTS, after_bytes=0)]
    assert pod.run().outcome is Outcome.WHOLE
    assert pod.files() == FILES
    assert pod.line.fetched(WEIGHTS) == ["", "bytes=300000-", "bytes=300000-"]


def test_shares_add_up(pod: Pod) -> None:
    for percent in (10, 50):
        said = pod.run(until_percent=percent, limit=100_000)
        assert said.outcome is Outcome.DOWNLOADING
        assert not pod.link.exists()
    assert pod.run().outcome is Outcome.WHOLE
    assert pod.files() == FILES


def test_a_store_that_breaks_down_is_asked_again(pod: Pod) -> None:
    pod.line.faults = [
        Fault(f"/{BUCKET}/", status=503),
        Fault(WEIGHTS, method="HEAD", status=500),
        Fault(WEIGHTS, status=503),
    ]
    assert pod.run().outcome is Outcome.WHOLE
    assert len(pod.waits) == 3


def test_an_object_that_is_replaced_meanwhile_is_told(pod: Pod) -> None:
    """Between two containers, and between the listing and the request for it."""
    source = pod.source()
    source.commit_of("")
    pod.store.empty()
    for path, content in (FILES | {"config.json": b"{}"}).items():
        pod.store.put(f"{PREFIX}/{path}", content)
    with pytest.raises(NotFound, match="412"):
        pod.run(source)
    with pytest.raises(NotFound, match="has changed since this pod began"):
        pod.run()
    pod.link.unlink()
    pod.run()
    assert pod.files()["config.json"] == b"{}"


def test_a_site_without_a_link_starts_with_what_was_there_last(pod: Pod) -> None:
    pod.run()
    pod.link.unlink()
    pod.line.faults = [Fault(f"/{BUCKET}/", times=99, status=503)]
    assert pod.run().outcome is Outcome.WHOLE
    assert pod.files() == FILES


def put_plain(store: Store, key: str, content: bytes) -> None:
    store.put(key, content)


def put_with_sha256(store: Store, key: str, content: bytes) -> None:
    store.put(key, content, KMS | checksum("sha256", hashlib.sha256(content).digest()))


def put_with_crc(store: Store, key: str, content: bytes) -> None:
    """As AWS does by itself of all that comes without a checksum."""
    store.put(key, content, KMS | checksum("crc64nvme", crc64nvme(content).to_bytes(8, "big")))


def put_in_parts(store: Store, key: str, content: bytes) -> None:
    store.put_in_parts(key, content)


def put_in_parts_with_sha256(store: Store, key: str, content: bytes) -> None:
    store.put_in_parts(key, content, KMS | {"x-amz-checksum-algorithm": "SHA256"})


KMS = {"x-amz-server-side-encryption": "aws:kms"}


def checksum(kind: str, value: bytes) -> dict[str, str]:
    return {"x-amz-sdk-checksum-algorithm": kind.upper(), f"x-amz-checksum-{kind}": base64.b64encode(value).decode()}


CONTENT = bytes(range(200)) * (2 * PART_BYTES // 200) + b"the last part is smaller"
WAYS = [put_plain, put_with_sha256, put_with_crc, put_in_parts, put_in_parts_with_sha256]


@pytest.mark.parametrize("put", WAYS)
def test_each_checksum_that_a_store_has_is_held_against_what_comes(
    pod: Pod, put: Callable[[Store, str, bytes], None]
) -> None:
    pod.store.empty()
    put(pod.store, f"{PREFIX}/{WEIGHTS}", CONTENT)
    damaged = CONTENT[:-1] + b"X"
    pod.line.faults = [Fault(WEIGHTS, instead=damaged)]
    with pytest.raises(ChecksumMismatch, match=WEIGHTS):
        pod.run()
    assert not pod.link.exists()
    assert pod.run().outcome is Outcome.WHOLE
    assert pod.files() == {WEIGHTS: CONTENT}


def test_what_cannot_be_checked_is_not_taken(pod: Pod) -> None:
    """The entity tag of what KMS encrypts is no digest of the content."""
    pod.store.empty()
    pod.store.put(f"{PREFIX}/{WEIGHTS}", CONTENT, KMS)
    with pytest.raises(ChecksumMissing, match=WEIGHTS):
        pod.run()
    assert pod.line.fetched(WEIGHTS) == []


def test_a_checksum_that_makes_no_sense_is_never_met(pod: Pod) -> None:
    pod.store.empty()
    pod.store.put(
        f"{PREFIX}/{WEIGHTS}", CONTENT, {"x-amz-sdk-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": "!"}
    )
    with pytest.raises(ChecksumMismatch):
        pod.run()


@pytest.mark.parametrize("step", [1, 7, 100, 1000])
def test_the_digest_of_parts_does_not_depend_on_how_they_come(step: int) -> None:
    content = bytes(range(256)) * 3
    parts = [content[at : at + 100] for at in range(0, len(content), 100)]
    expected = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
    taken = Digest("sha256", expected, part_bytes=100).begin(len(content))
    for at in range(0, len(content), step):
        taken.update(content[at : at + step])
    assert taken.hexdigest() == expected


def a_listing(*items: str) -> str:
    return f"<ListBucketResult>{''.join(f'<Contents>{item}</Contents>' for item in items)}</ListBucketResult>"


REFUSALS: list[tuple[dict[str, str], type[DownloadError], str]] = [
    ({"AWS_SECRET_ACCESS_KEY": "wrong"}, Forbidden, "SignatureDoesNotMatch"),
    ({"AWS_ACCESS_KEY_ID": "AKIAOFNOBODY"}, Forbidden, "InvalidAccessKeyId"),
    ({"uri": "s3://nobodys/glm"}, NotFound, "NoSuchBucket"),
    ({"uri": f"s3://{BUCKET}/glm-5"}, NotFound, "has nothing below glm-5/"),
    ({"endpoint": "http://127.0.0.1:9"}, Unreachable, "Failed to establish a new connection"),
    ({"endpoint": "http://store.invalid"}, Unreachable, "Failed to resolve"),
]


@pytest.mark.parametrize(("changed", "error", "says"), REFUSALS)
def test_each_refusal_has_its_word(pod: Pod, changed: dict[str, str], error: type[DownloadError], says: str) -> None:
    with pytest.raises(error, match=says) as refused:
        pod.run(pod.source(**changed))
    assert pod.store.secret not in str(refused.value)
    assert "Signature=" not in str(refused.value)


def test_without_keys_only_what_is_public_is_had(pod: Pod) -> None:
    pod.store.empty()
    pod.store.put(f"{PREFIX}/config.json", b"{}")
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    with pytest.raises(CredentialsMissing, match="403"):
        pod.run(pod.source(**nobody))
    pod.store.put(f"{PREFIX}/config.json", b"{}", {"x-amz-acl": "public-read"})
    assert pod.run(pod.source(**nobody)).outcome is Outcome.WHOLE


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidToken"])
def test_a_session_that_is_over_is_a_refusal(pod: Pod, code: str) -> None:
    said = f"<Error><Code>{code}</Code><Message>The token has expired</Message></Error>".encode()
    pod.line.faults = [Fault(f"/{BUCKET}/", status=400, instead=said)]
    with pytest.raises(Forbidden, match=code):
        pod.run()


def test_a_bucket_of_another_region_is_told_with_its_name(pod: Pod) -> None:
    said = b"<Error><Code>PermanentRedirect</Code><Message>Elsewhere</Message><Region>eu-west-1</Region></Error>"
    pod.line.faults = [Fault(f"/{BUCKET}/", status=301, instead=said)]
    with pytest.raises(Unreachable, match="the bucket is in region eu-west-1"):
        pod.run()


@pytest.mark.parametrize(
    "listing",
    [
        "<html>welcome</html>",
        "no XML",
        a_listing("<Key>plant a/glm/../../x</Key><Size>1</Size><ETag>1</ETag>"),
        a_listing("<Key>plant a/glm/x</Key><Size>much</Size><ETag>1</ETag>"),
        a_listing("<Key>plant a/glm/x//y</Key><Size>1</Size><ETag>1</ETag>"),
        a_listing("<Key>elsewhere</Key><Size>1</Size><ETag>1</ETag>"),
        a_listing("<Key>plant a/glm/x</Key><Size>1</Size><ETag>1&#10;X-Header: 1</ETag>"),
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
    ],
    ids=[
        *("another page", "no XML", "leads out", "no size", "two ways to write it", "not below the prefix"),
        *("a header in the tag", "no next page"),
    ],
)
def test_a_listing_that_cannot_be_trusted_is_refused(pod: Pod, listing: str) -> None:
    pod.line.faults = [Fault(f"/{BUCKET}/", instead=listing.encode())]
    with pytest.raises(Unreachable, match="is it a store that speaks S3"):
        pod.run()


def test_a_listing_without_end_is_not_followed_for_ever(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeglm_operator.download.s3._MOST_PAGES", 3)
    on = b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>"
    pod.line.faults = [Fault(f"/{BUCKET}/", times=99, status=200, instead=on + b"</ListBucketResult>")]
    with pytest.raises(Unreachable, match="is it a store that speaks S3"):
        pod.run()
    assert len(pod.line.asked) == 3


def test_a_prefix_of_a_whole_library_is_refused(pod: Pod) -> None:
    many = a_listing(*(f"<Key>plant a/glm/{number}</Key><Size>1</Size><ETag>1</ETag>" for number in range(3001)))
    pod.line.faults = [Fault(f"/{BUCKET}/", instead=many.encode())]
    with pytest.raises(NotFound, match="more than 3000 files"):
        pod.run()


def test_a_long_listing_comes_in_pages(pod: Pod) -> None:
    pod.store.everybody()
    files = {f"{number:02}.json": b"{}" for number in range(2 * PAGE)}
    for path, content in files.items():
        pod.store.put(f"{PREFIX}/{path}", content)
    pod.run()
    assert pod.files() == FILES | files
    listings = [each.query for each in pod.line.asked if each.query.startswith("list-type")]
    assert ["continuation-token" in query for query in listings] == [False, True, True]


def test_a_model_larger_than_its_cache_may_be_is_refused(pod: Pod) -> None:
    with pytest.raises(DiskFull, match="its cache may take"):
        pod.run(allowed_bytes=1000)
    assert pod.line.fetched(WEIGHTS) == []


def test_the_program_takes_its_keys_from_the_environment_and_tells_them_nobody(pod: Pod, tmp_path: Path) -> None:
    said = tmp_path / "last-message"
    where = [f"--endpoint={pod.line.url}", f"--cache={pod.cache}", f"--link={pod.link}", f"--tell={said}"]
    command = [sys.executable, "-m", "edgeglm_operator.download.cli", f"s3://{BUCKET}/{PREFIX}", *where]
    keys = {"AWS_ACCESS_KEY_ID": pod.store.key_id, "AWS_SECRET_ACCESS_KEY": pod.store.secret}
    for environment, outcome in ((keys | {"AWS_SECRET_ACCESS_KEY": "wrong"}, Outcome.FORBIDDEN), (keys, Outcome.WHOLE)):
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, check=False, timeout=120)
        told = read_last_message(said.read_text(encoding="utf-8"))
        assert told is not None
        assert (told.outcome, done.returncode) == (outcome, 0 if outcome is Outcome.WHOLE else 1)
        assert pod.store.secret.encode() not in done.stdout + done.stderr
    assert pod.files() == FILES


def test_prefixes_within_each_other_have_caches_apart(pod: Pod) -> None:
    places = {pod.source(uri=f"s3://{BUCKET}/{prefix}").place for prefix in ("a", "a/a", "a/refs", "b/a")}
    assert len(places) == 4
    assert {place.count("/") for place in places} == {2}
