"""The program as a container runs it: killed, told to go, run twice at once, on a disk that is too small."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from edgeglm_api.download import LastMessage, Outcome, read_last_message
from edgeglm_api.time_window import TimeWindow
from tests.cluster.need import skip_or_fail
from tests.cluster.process import until
from tests.download.stub_hub import REPOSITORY, StubHub

WEIGHTS = "model.safetensors"
CONTENT = bytes(range(256)) * 16_000
FILES = {"config.json": b"{}", WEIGHTS: CONTENT}


class Container:
    """One run of the program."""

    def __init__(self, hub: StubHub, place: Path, *options: str, cache: Path | None = None, name: str = "pod") -> None:
        self.cache, self.link, self._said = cache or place / "cache", place / name, place / f"{name}.last-message"
        self.cache.mkdir(exist_ok=True)
        where = ["--endpoint", hub.url, "--cache", str(self.cache), "--link", str(self.link)]
        command = [sys.executable, "-m", "edgeglm_operator.download.cli", REPOSITORY, *where, "--tell", str(self._said)]
        environment = {**os.environ, "HF_TOKEN": hub.token}
        self.process = subprocess.Popen([*command, *options], env=environment)

    def end(self) -> LastMessage | None:
        """Wait for its end, and read what it said."""
        self.process.wait(60)
        return read_last_message(self._said.read_text(encoding="utf-8")) if self._said.exists() else None

    @property
    def weights(self) -> bytes:
        """What an engine would load."""
        return (self.link / WEIGHTS).read_bytes()

    def bytes_there(self) -> int:
        """Of the weights, finished or not."""
        return sum(path.stat().st_size for path in self.cache.rglob(f"{WEIGHTS}*"))


Start = Callable[..., Container]


@pytest.fixture
def hub() -> Iterator[StubHub]:
    with StubHub(dict(FILES)) as hub:
        yield hub


@pytest.fixture
def start(hub: StubHub, tmp_path: Path) -> Iterator[Start]:
    """Start containers; whatever a test leaves running is killed."""
    started: list[Container] = []

    def run(*options: str, cache: Path | None = None, name: str = "pod") -> Container:
        started.append(Container(hub, tmp_path, *options, cache=cache, name=name))
        return started[-1]

    yield run
    hub.gate.set()
    for container in started:
        container.process.kill()
        container.process.wait(60)


def test_its_last_message_tells_how_it_ended(start: Start) -> None:
    container = start()
    assert container.end() == LastMessage(outcome=Outcome.WHOLE, percent=100, total_bytes=len(CONTENT) + 2)
    assert container.process.returncode == 0
    assert container.weights == CONTENT


def test_a_failure_is_told_with_its_word(start: Start, hub: StubHub) -> None:
    container = start("--revision", "v9")
    said = container.end()
    assert said is not None
    assert said.outcome is Outcome.NOT_FOUND
    assert "Invalid rev id" in said.message
    assert container.process.returncode == 1


def test_the_token_comes_by_the_environment(start: Start, hub: StubHub) -> None:
    hub.token = "of-the-hub"  # noqa: S105 - a stub's
    container = start()
    said = container.end()
    assert said is not None
    assert said.outcome is Outcome.WHOLE


def test_after_a_kill_it_goes_on_where_it_was(start: Start, hub: StubHub) -> None:
    hub.gate.clear()
    killed = start()
    assert until(lambda: killed.bytes_there() >= len(CONTENT) // 4, 60)
    killed.process.kill()
    killed.process.wait(60)
    there = killed.bytes_there()
    hub.gate.set()
    assert not killed.link.exists()
    again = start()
    assert again.end() is not None
    assert again.weights == CONTENT
    ranges = [int(asked.removeprefix("bytes=").rstrip("-")) for _, asked, _ in hub.asked if asked]
    assert ranges[-1] == there


def test_outside_its_window_it_fetches_nothing_and_still_goes_when_it_is_told_to(hub: StubHub, start: Start) -> None:
    """It asks what is meant, in case that is there already."""
    container = start(f"--window={a_window(opens_in_hours=11)}")
    assert until(lambda: bool(hub.paths(files_only=False)), 60)
    container.process.terminate()
    container.end()
    assert container.process.returncode == 128 + signal.SIGTERM
    assert hub.paths() == []


def test_within_its_window_it_is_as_ever(start: Start) -> None:
    container = start(f"--window={a_window(opens_in_hours=-11)}")
    said = container.end()
    assert said is not None
    assert said.outcome is Outcome.WHOLE
    assert container.weights == CONTENT


def a_window(*, opens_in_hours: int) -> str:
    """Of twelve hours."""
    opens = datetime.now(UTC) + timedelta(hours=opens_in_hours)
    start, end = (f"{each:%H:%M}" for each in (opens, opens + timedelta(hours=12)))
    return msgspec.json.encode(TimeWindow(start=start, end=end, time_zone="UTC")).decode()


def test_it_goes_when_it_is_told_to(start: Start, hub: StubHub) -> None:
    hub.gate.clear()
    container = start()
    assert until(lambda: container.bytes_there() > 0, 60)
    container.process.send_signal(signal.SIGTERM)
    container.process.wait(60)
    assert container.process.returncode == 128 + signal.SIGTERM


def test_two_at_once_fetch_a_model_once(start: Start, hub: StubHub) -> None:
    hub.gate.clear()
    first = start(name="first")
    assert until(lambda: first.bytes_there() > 0, 60)
    second = start(name="second")
    assert until(lambda: hub.paths(files_only=False).count(f"/api/models/{REPOSITORY}/revision/main") == 2, 60)
    hub.gate.set()
    for container in (first, second):
        said = container.end()
        assert said is not None
        assert said.outcome is Outcome.WHOLE
        assert container.weights == CONTENT
    assert hub.paths().count(f"/{REPOSITORY}/resolve/{hub.commit}/config.json") == 1
    assert first.link.resolve() == second.link.resolve()


def test_when_one_of_two_is_killed_the_other_takes_over(start: Start, hub: StubHub) -> None:
    hub.gate.clear()
    first = start(name="first")
    assert until(lambda: first.bytes_there() >= len(CONTENT) // 4, 60)
    second = start(name="second")
    first.process.kill()
    first.process.wait(60)
    hub.gate.set()
    said = second.end()
    assert said is not None
    assert said.outcome is Outcome.WHOLE
    assert second.weights == CONTENT


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB, half of the model; needs root."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["/usr/bin/mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    mounted = subprocess.run(mount, check=False, capture_output=True)
    if mounted.returncode != 0:
        skip_or_fail(f"cannot mount a small disk: {mounted.stderr.decode().strip()}", "run as root")
    yield place
    subprocess.run(["/usr/bin/umount", "-l", str(place)], check=True)


@pytest.mark.node
def test_a_disk_without_room_is_seen_before_the_first_byte(start: Start, hub: StubHub, small_disk: Path) -> None:
    said = start(cache=small_disk).end()
    assert said is not None
    assert said.outcome is Outcome.DISK_FULL
    assert hub.paths() == []


@pytest.mark.node
def test_a_disk_that_others_fill_meanwhile_is_told_and_gone_on_with(
    start: Start, hub: StubHub, small_disk: Path
) -> None:
    subprocess.run(["/usr/bin/mount", "-o", "remount,size=5m", str(small_disk)], check=True)
    hub.gate.clear()
    container = start(cache=small_disk)
    assert until(lambda: container.bytes_there() >= len(CONTENT) // 4, 60)
    others = small_disk / "others"
    others.write_bytes(b"x" * 2_000_000)
    hub.gate.set()
    said = container.end()
    assert said is not None
    assert said.outcome is Outcome.DISK_FULL
    assert "full" in said.message
    others.unlink()
    again = start(cache=small_disk)
    assert again.end() is not None
    assert again.weights == CONTENT
