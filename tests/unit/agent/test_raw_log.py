"""The raw log: what was acknowledged is there again, and damage is counted."""

import errno
import os
from pathlib import Path

import pytest

from edgeglm_agent.spool.entry import Connected, Disconnected, Entry, Tick
from edgeglm_agent.spool.raw_log import RawLog
from edgeglm_agent.spool.raw_reader import RawReader

from .observations import a_message


def entries(start: int, count: int) -> list[Entry]:
    return [a_message(at=float(number)) for number in range(start, start + count)]


def read_all(log: RawLog, start: int = 1) -> list[tuple[int, Entry]]:
    reader = RawReader(log, start)
    found: list[tuple[int, Entry]] = []
    while chunks := reader.read(7):
        found += [pair for chunk in chunks for pair in enumerate(chunk.entries, start=chunk.first)]
    return found


def test_what_was_appended_is_read_again_after_a_restart(tmp_path: Path) -> None:
    log = RawLog(tmp_path, segment_bytes=300)
    kinds: list[Entry] = [Connected(1, "b", 1, resumed=True), Disconnected(2, "b"), Tick(3)]
    for number in range(10):
        log.append(entries(number * 3, 3))
    log.append(kinds)
    log.close()

    again = RawLog(tmp_path, segment_bytes=300)
    assert again.next == 34
    assert [number for number, _entry in read_all(again)] == list(range(1, 34))
    assert [entry for _number, entry in read_all(again)] == entries(0, 30) + kinds
    assert len(again.segments()) > 3


def test_reading_begins_anywhere(tmp_path: Path) -> None:
    log = RawLog(tmp_path)
    log.append(entries(0, 5))
    log.append(entries(5, 5))
    assert [number for number, _entry in read_all(log, 4)] == [4, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("torn", [1, 10, 19, 25])
def test_a_torn_tail_is_cut_off_and_written_over(tmp_path: Path, torn: int) -> None:
    log = RawLog(tmp_path)
    log.append(entries(0, 2))
    log.append(entries(2, 2))
    log.close()
    (segment,) = tmp_path.glob("*.log")
    os.truncate(segment, segment.stat().st_size - torn)

    again = RawLog(tmp_path)
    assert again.next == 3
    assert again.append(entries(7, 1)) == 3
    assert [entry for _number, entry in read_all(again)] == entries(0, 2) + entries(7, 1)


def test_damage_in_the_middle_costs_one_group_and_is_counted(tmp_path: Path) -> None:
    log = RawLog(tmp_path)
    log.append(entries(0, 2))
    middle = log.size_bytes + 30
    log.append(entries(2, 5))
    log.append(entries(7, 2))
    log.close()
    (segment,) = tmp_path.glob("*.log")
    with segment.open("r+b") as file:
        file.seek(middle)
        file.write(b"\xff\xff\xff")

    chunks = RawReader(RawLog(tmp_path), 1).read(100)
    assert [(chunk.first, chunk.lost) for chunk in chunks] == [(1, 0), (8, 5)]


def test_released_segments_go_but_never_the_last(tmp_path: Path) -> None:
    log = RawLog(tmp_path, segment_bytes=100)
    for number in range(5):
        log.append(entries(number, 1))
    log.release(4)
    assert log.segments()[0].first <= 4
    assert [number for number, _entry in read_all(log, 4)] == [4, 5]
    log.release(100)
    assert len(list(tmp_path.glob("*.log"))) == 1
    assert log.next == 6


def test_a_failed_write_leaves_the_log_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RawLog(tmp_path)
    log.append(entries(0, 2))

    def half(descriptor: int, data: bytes, offset: int) -> int:
        os.lseek(descriptor, offset, os.SEEK_SET)
        os.write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", half)
        with pytest.raises(OSError, match="No space"):
            log.append(entries(2, 2))
    assert log.append(entries(5, 1)) == 3
    assert [entry for _number, entry in read_all(RawLog(tmp_path))] == entries(0, 2) + entries(5, 1)


def test_a_log_that_lost_its_files_goes_on_counting(tmp_path: Path) -> None:
    log = RawLog(tmp_path)
    log.start_at(500)
    assert log.append(entries(0, 1)) == 500


def test_what_is_kept_behind_the_fold_is_bounded_by_bytes_too(tmp_path: Path) -> None:
    """Entries may be large: a tail of thousands of them must not fill the spool for ever."""
    log = RawLog(tmp_path, segment_bytes=100)
    for number in range(20):
        log.append(entries(number, 1))
    log.release(21, keep_entries=15)
    assert log.segments()[0].first == 6
    log.tail_bytes = 300
    log.release(21, keep_entries=15)
    kept = log.segments()
    assert sum(segment.size for segment in kept[:-1]) <= 300
    assert 1 < len(kept) < 6


def syncs(log: RawLog, monkeypatch: pytest.MonkeyPatch, groups: int) -> int:
    done: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", done.append)
        for number in range(groups):
            log.append(entries(number, 1))
    return len(done)


def test_each_group_is_synced_before_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert syncs(RawLog(tmp_path), monkeypatch, 10) == 10


def test_a_site_may_have_it_synced_less_often_and_at_the_latest_when_it_rolls_or_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RawLog(tmp_path / "one", segment_bytes=1 << 20)
    log.sync_seconds = 3600
    assert syncs(log, monkeypatch, 10) == 0
    done: list[int] = []
    monkeypatch.setattr(os, "fdatasync", done.append)
    log.sync()
    log.sync()
    assert len(done) == 1

    rolling = RawLog(tmp_path / "two", segment_bytes=100)
    rolling.sync_seconds = 3600
    done.clear()
    for number in range(10):
        rolling.append(entries(number, 1))
    assert len(done) == len(rolling.segments()) - 1
