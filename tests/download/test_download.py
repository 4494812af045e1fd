"""From a hub into a cache, over real HTTP: whole or not at all, however often the line breaks."""

import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3

from edgeglm_api.download import LastMessage, Outcome
from edgeglm_api.time_window import TimeWindow
from edgeglm_operator.download.digest import Digest
from edgeglm_operator.download.download import Means, Wish, download
from edgeglm_operator.download.errors import (
    CacheNotWritable,
    ChecksumMismatch,
    CredentialsMissing,
    DiskFull,
    DownloadError,
    Forbidden,
    NotFound,
    Unreachable,
    of_disk,
)
from edgeglm_operator.download.hours import LONGEST_NAP_SECONDS, Hours
from edgeglm_operator.download.hub import Hub
from edgeglm_operator.download.listing import Entry, is_inside, needed
from edgeglm_operator.download.pace import Pace
from edgeglm_operator.download.patience import LONGEST_WISH_SECONDS, PAUSES_SECONDS, Patience
from edgeglm_operator.download.web import TIMEOUT, Web
from tests.download.stub_hub import REPOSITORY, Fault, StubHub, a_commit

# The port of the discard service, where nobody listens.
NOBODY = "http://127.0.0.1:9"
WEIGHTS = "model-00001.safetensors"
FILES = {
    "config.json": b'{"model_type": "glm"}',
    "tokenizer/tokenizer.json": b"{}" * 200,
    "README.md": b"# A model",
    WEIGHTS: bytes(range(256)) * 4000,
    "model-00002.safetensors": b"\x01\x02\x03" * 100_000,
}


class Clock:
    """Time that passes by waiting alone."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.waits.append(seconds)

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 28, tzinfo=UTC) + timedelta(seconds=self.seconds)


@pytest.fixture
def hub() -> Iterator[StubHub]:
    with StubHub(dict(FILES)) as hub:
        yield hub


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Pod:
    """What one pod has: its link, the cache that it may share, and a way to the hub."""

    def __init__(self, hub: StubHub, place: Path, clock: Clock, *, name: str = "pod") -> None:
        self.hub, self.clock = hub, clock
        self.cache, self.link = place / "cache", place / name
        self.cache.mkdir(exist_ok=True)

    def run(
        self,
        *,
        token: str = "",
        proxy: str = "",
        endpoint: str = "",
        repository: str = REPOSITORY,
        limit: int | None = None,
        window: TimeWindow | None = None,
        timeout: urllib3.Timeout = TIMEOUT,
        **wish: Any,
    ) -> LastMessage:
        """One container."""
        patience = Patience(self.clock.sleep)
        web, endpoint = Web(token, proxy, timeout=timeout), endpoint or self.hub.url
        way = Hub(web=web, patience=patience, repository=repository, endpoint=endpoint)
        pace = Pace(limit, clock=self.clock, sleep=self.clock.sleep)
        options = {"revision": "main", "cache": self.cache, "link": self.link, **wish}
        hours = Hours(window, now=self.clock.now, sleep=self.clock.sleep)
        means = Means(source=way, pace=pace, hours=hours, patience=patience, now=self.clock.now)
        return download(Wish(**options), means)

    def files(self) -> dict[str, bytes]:
        """What the engine sees."""
        root = self.link.resolve()
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def pod(hub: StubHub, tmp_path: Path, clock: Clock) -> Pod:
    return Pod(hub, tmp_path, clock)


def test_a_model_comes_whole_and_its_link_leads_to_it(pod: Pod, hub: StubHub) -> None:
    said = pod.run()
    assert (said.outcome, said.percent, said.total_bytes) == (Outcome.WHOLE, 100, sum(map(len, FILES.values())))
    assert pod.files() == FILES
    assert pod.link.readlink().name == hub.commit


def test_what_is_there_is_not_asked_for_again(pod: Pod, hub: StubHub, tmp_path: Path, clock: Clock) -> None:
    pod.run()
    hub.asked.clear()
    other = Pod(hub, tmp_path, clock, name="other")
    assert other.run().outcome is Outcome.WHOLE
    assert other.files() == FILES
    assert hub.paths() == []


A_MINUTE_EACH_NIGHT = TimeWindow(start="23:00", end="23:01", time_zone="UTC")
A_DAY_SECONDS = 24 * 3600
UNTIL_IT_OPENS_SECONDS = 23 * 3600


def test_it_begins_when_its_window_opens(pod: Pod, hub: StubHub, clock: Clock) -> None:
    assert pod.run(window=A_MINUTE_EACH_NIGHT).outcome is Outcome.WHOLE
    assert clock.seconds == UNTIL_IT_OPENS_SECONDS
    assert max(clock.waits) == LONGEST_NAP_SECONDS, "so that a clock that is set is noticed"


def test_it_pauses_outside_its_window_and_goes_on_where_it_stopped(pod: Pod, hub: StubHub, clock: Clock) -> None:
    """A minute a night at a pace that takes three; no line is held open in between, and nothing is asked for twice."""
    total = sum(map(len, FILES.values()))
    assert pod.run(window=A_MINUTE_EACH_NIGHT, limit=total // 150).outcome is Outcome.WHOLE
    assert pod.files() == FILES
    assert clock.seconds // A_DAY_SECONDS == 2
    resumed = [asked for path, asked, _ in hub.asked if asked]
    assert resumed
    assert "bytes=0-" not in resumed


def test_what_is_there_waits_for_no_window(pod: Pod, hub: StubHub, tmp_path: Path, clock: Clock) -> None:
    """A pod that starts again by day serves by day."""
    pod.run()
    other = Pod(hub, tmp_path, clock, name="other")
    assert other.run(window=A_MINUTE_EACH_NIGHT).outcome is Outcome.WHOLE
    assert (other.files(), clock.waits) == (FILES, [])


def test_by_day_a_new_pod_serves_what_its_branch_meant_last(
    pod: Pod, hub: StubHub, tmp_path: Path, clock: Clock
) -> None:
    """The branch has moved on since: for that the night is there, and the pod that starts then has it."""
    pod.run()
    files = FILES | {"config.json": b"{}"}
    hub.models[REPOSITORY].commits[a_commit(files)] = files
    hub.models[REPOSITORY].branches["main"] = a_commit(files)
    by_day = Pod(hub, tmp_path, clock, name="by-day")
    assert by_day.run(window=A_MINUTE_EACH_NIGHT).outcome is Outcome.WHOLE
    assert (by_day.files(), clock.waits) == (FILES, [])
    clock.seconds = UNTIL_IT_OPENS_SECONDS
    at_night = Pod(hub, tmp_path, clock, name="at-night")
    assert at_night.run(window=A_MINUTE_EACH_NIGHT).outcome is Outcome.WHOLE
    assert at_night.files() == files


def test_a_line_that_is_cut_in_mid_file_is_gone_on_with_where_it_broke(pod: Pod, hub: StubHub) -> None:
    hub.faults = [Fault(WEIGHTS, after_bytes=300_000), Fault(WEIGHTS, after_bytes=0)]
    assert pod.run().outcome is Outcome.WHOLE
    assert pod.files() == FILES
    ranges = [asked for path, asked, token in hub.asked if path.endswith(WEIGHTS)]
    # Each try asks the hub, and then the CDN.
    assert ranges == ["", "", *["bytes=300000-"] * 4]


def test_a_server_without_ranges_is_read_from_the_beginning(pod: Pod, hub: StubHub) -> None:
    hub.takes_ranges = False
    hub.faults = [Fault(WEIGHTS, after_bytes=300_000)]
    pod.run()
    assert pod.files() == FILES


def test_shares_of_a_model_add_up_to_it(pod: Pod, hub: StubHub) -> None:
    """One container after the other brings it up to a percentage; nothing is fetched twice."""
    for percent in (10, 25, 50, 75):
        said = pod.run(until_percent=percent, limit=100_000)
        assert said.outcome is Outcome.DOWNLOADING
        assert percent <= said.percent < percent + 5
        assert not pod.link.exists()
    assert pod.run(limit=100_000).outcome is Outcome.WHOLE
    assert pod.files() == FILES


def test_the_end_is_foretold_from_the_pace(pod: Pod, clock: Clock) -> None:
    said = pod.run(until_percent=50, limit=10_000)
    whole_seconds = sum(map(len, FILES.values())) / 10_000
    foretold = datetime.fromisoformat(said.whole_by) - datetime(2026, 11, 28, tzinfo=UTC)
    assert foretold.total_seconds() == pytest.approx(whole_seconds, rel=0.02)


def test_it_goes_no_faster_than_allowed(pod: Pod, clock: Clock) -> None:
    pod.run(limit=50_000)
    assert clock.seconds == pytest.approx(sum(map(len, FILES.values())) / 50_000, rel=0.02)


def test_a_pod_keeps_the_commit_that_it_began_with(pod: Pod, hub: StubHub, tmp_path: Path, clock: Clock) -> None:
    pod.run(until_percent=25, limit=100_000)
    files = {**FILES, "config.json": b'{"newer": true}'}
    hub.models[REPOSITORY].commits[a_commit(files)] = files
    hub.models[REPOSITORY].branches["main"] = a_commit(files)
    pod.run()
    assert pod.files() == FILES
    later = Pod(hub, tmp_path, clock, name="later")
    later.run()
    assert later.files() == files


def test_a_site_without_a_link_starts_with_what_the_branch_meant_last(pod: Pod, tmp_path: Path, clock: Clock) -> None:
    pod.run()
    dark = Pod(pod.hub, tmp_path, clock, name="dark")
    pod.hub.faults = [Fault("", times=99, status=503)]
    assert dark.run().outcome is Outcome.WHOLE
    assert dark.files() == FILES


def test_a_wrong_checksum_is_told_and_nothing_of_it_is_kept(pod: Pod, hub: StubHub) -> None:
    hub.lies = {WEIGHTS: b"x" * len(FILES[WEIGHTS])}
    with pytest.raises(ChecksumMismatch, match=WEIGHTS):
        pod.run()
    assert not pod.link.exists()
    assert not list(pod.cache.rglob(f"{WEIGHTS}*"))
    hub.lies = {}
    pod.run()
    assert pod.files() == FILES


def test_a_wrong_small_file_is_found_too(pod: Pod, hub: StubHub) -> None:
    hub.lies = {"config.json": b'{"model_type": "GLM"}'}
    with pytest.raises(ChecksumMismatch, match=r"config\.json"):
        pod.run()


@pytest.mark.parametrize("torn", [b"\0" * 5000, b"x" * (len(FILES[WEIGHTS]) + 7)], ids=["zeros", "too long"])
def test_a_part_that_did_not_reach_the_disk_is_fetched_anew(pod: Pod, hub: StubHub, torn: bytes) -> None:
    """After a power cut a file may have its length and not its content."""
    pod.run(until_percent=1, limit=40_000)
    [part] = pod.cache.rglob("*.part")
    (part.parent / f"{WEIGHTS}.part").write_bytes(torn)
    assert pod.run().outcome is Outcome.WHOLE
    assert pod.files() == FILES


REFUSALS = [
    (Fault("/revision/main", status=401), "", CredentialsMissing),
    (Fault("/revision/main", status=403), "", CredentialsMissing),
    (Fault("/revision/main", status=401), "wrong", Forbidden),
    (Fault(WEIGHTS, status=403), "token", Forbidden),
    (Fault("/revision/main", status=404), "", NotFound),
    (Fault(WEIGHTS, status=404), "", NotFound),
    (Fault("/revision/main", status=418), "", Unreachable),
    (Fault("/revision/main", times=99, status=503), "", Unreachable),
    (Fault(WEIGHTS, times=99, status=500), "", Unreachable),
    (Fault(WEIGHTS, times=99, after_bytes=0), "", Unreachable),
]


@pytest.mark.parametrize(("fault", "token", "error"), REFUSALS)
def test_each_refusal_has_its_word(
    pod: Pod, hub: StubHub, fault: Fault, token: str, error: type[DownloadError]
) -> None:
    hub.faults = [fault]
    with pytest.raises(error, match=r"127\.0\.0\.1"):
        pod.run(token=token)
    assert not pod.link.exists()


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"endpoint": "http://hub.invalid"}, "hub.invalid: Failed to resolve 'hub.invalid'"),
        ({"endpoint": NOBODY}, "127.0.0.1:9: Failed to establish a new connection"),
        ({"endpoint": "http://hub.example", "proxy": NOBODY}, "hub.example: the proxy: Failed to establish"),
        ({"endpoint": "http://hub.example", "proxy": "http://proxy.invalid"}, "the proxy: Failed to resolve 'proxy"),
    ],
)
def test_where_the_way_to_the_hub_ends_is_told(pod: Pod, where: dict[str, Any], says: str) -> None:
    with pytest.raises(Unreachable) as refused:
        pod.run(**where)
    assert says in str(refused.value)
    assert "object at" not in str(refused.value)


def test_an_unknown_model_is_not_tried_again(pod: Pod, clock: Clock) -> None:
    with pytest.raises(NotFound, match="Repository not found"):
        pod.run(repository="owner/other")
    with pytest.raises(NotFound, match="Invalid rev id"):
        pod.run(revision="v9")
    assert clock.waits == []


def test_an_answer_that_is_no_hubs_is_told(pod: Pod, hub: StubHub) -> None:
    hub.models[REPOSITORY].branches["main"] = "../../etc"
    hub.models[REPOSITORY].commits["../../etc"] = {}
    with pytest.raises(Unreachable, match="is it a hub"):
        pod.run()


def test_a_listing_cannot_lead_out_of_the_cache(pod: Pod, hub: StubHub) -> None:
    hub.models[REPOSITORY].commits[hub.commit]["../outside"] = b"!"
    with pytest.raises(Unreachable, match="is it a hub"):
        pod.run()


def test_a_server_that_asks_to_wait_is_waited_for(pod: Pod, hub: StubHub, clock: Clock) -> None:
    hub.faults = [Fault(WEIGHTS, status=429, headers={"Retry-After": "37"})]
    assert pod.run().outcome is Outcome.WHOLE
    assert clock.waits == [37]


def test_nobody_is_waited_for_for_ever(pod: Pod, hub: StubHub, clock: Clock) -> None:
    hub.faults = [Fault("/revision/main", times=99, status=429, headers={"Retry-After": "86400"})]
    with pytest.raises(Unreachable, match="429"):
        pod.run()
    assert clock.waits == [LONGEST_WISH_SECONDS] * len(PAUSES_SECONDS)


def test_a_line_that_breaks_again_and_again_but_gets_further_is_good_enough(pod: Pod, hub: StubHub) -> None:
    hub.faults = [Fault(WEIGHTS, times=12, after_bytes=80_000)]
    assert pod.run().outcome is Outcome.WHOLE
    assert pod.files() == FILES


def test_a_line_that_stalls_is_not_waited_for_for_ever(pod: Pod, hub: StubHub) -> None:
    hub.gate.clear()
    with pytest.raises(Unreachable, match="no answer in time"):
        pod.run(timeout=urllib3.Timeout(connect=10, read=0.2))
    hub.gate.set()
    pod.run()
    assert pod.files() == FILES


def test_a_model_that_was_renamed_is_followed_with_the_token(pod: Pod, hub: StubHub) -> None:
    hub.token = token = "of-the-hub"  # noqa: S105 - a stub's
    moved = {"Location": f"/api/models/{REPOSITORY}/revision/main"}
    hub.faults = [Fault("/revision/v1", status=307, headers=moved)]
    pod.run(token=token, revision="v1")
    assert pod.files() == FILES


def test_the_token_goes_to_the_hub_and_nowhere_else(pod: Pod, hub: StubHub) -> None:
    hub.token = token = "of-the-hub"  # noqa: S105 - a stub's
    pod.run(token=token)
    at_the_cdn = [token for path, _, token in hub.asked if path.endswith(".safetensors")]
    assert sorted(set(at_the_cdn)) == ["", "Bearer of-the-hub"]
    assert at_the_cdn.count("") == 2


def test_a_hub_that_only_a_proxy_reaches(tmp_path: Path, clock: Clock) -> None:
    small = {"config.json": FILES["config.json"], "README.md": FILES["README.md"]}
    with StubHub(small) as proxy:
        pod = Pod(proxy, tmp_path, clock)
        # A name that nobody resolves; the stub answers whatever host it is asked for.
        pod.run(endpoint="http://hub.invalid", proxy=proxy.url)
        assert pod.files() == small


def test_no_byte_is_fetched_that_has_no_room(pod: Pod, hub: StubHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hundred_blocks_free = os.statvfs_result((4096, 4096, 0, 0, 100, 0, 0, 0, 0, 255))
    monkeypatch.setattr("os.statvfs", lambda _: hundred_blocks_free)
    with pytest.raises(DiskFull, match="are missing, and the disk has"):
        pod.run()
    assert hub.paths() == []


def test_a_model_larger_than_its_cache_may_be_is_refused(pod: Pod, hub: StubHub) -> None:
    with pytest.raises(DiskFull, match="its cache may take"):
        pod.run(allowed_bytes=1000)
    assert hub.paths() == []


def test_a_cache_that_cannot_be_written_is_told(hub: StubHub, tmp_path: Path, clock: Clock) -> None:
    pod = Pod(hub, tmp_path, clock)
    (pod.cache / f"127.0.0.1_{hub.url.rpartition(':')[2]}").write_bytes(b"a file where a directory should be")
    with pytest.raises(CacheNotWritable):
        pod.run()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_becomes_full_is_told_as_such(number: int) -> None:
    assert isinstance(of_disk(OSError(number, os.strerror(number))), DiskFull)


def test_only_what_vllm_reads_is_fetched() -> None:
    def entries(*paths: str) -> list[Entry]:
        return [Entry(path, 1, Digest("sha256", "")) for path in paths]

    def kept(*paths: str) -> list[str]:
        return [entry.path for entry in needed(entries(*paths))]

    assert kept("b.safetensors", "a.json", "pytorch_model.bin", "x.gguf", "onnx/m.onnx") == ["a.json", "b.safetensors"]
    assert kept("pytorch_model.bin", "config.json") == ["config.json", "pytorch_model.bin"]
    assert kept(".gitattributes", "original/consolidated.00.pth", "original/params.json") == []


@pytest.mark.parametrize("path", ["", ".", "/etc/passwd", "../x", "a/../../x", "a\\b", "a//b", "./a", "a/"])
def test_a_path_that_leads_elsewhere_is_none(path: str) -> None:
    assert not is_inside(path)
    assert is_inside("a/b.c")
