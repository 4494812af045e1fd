"""The raw log: what was acknowledged is there again, and damage is counted."""

import errno
import os
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

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


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=30),
    st.integers(1, 2000),
    st.floats(0, 1),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
@example([4] * 12, 120, 2 / 47, [3])
def test_reading_on_from_anywhere_skips_nothing_whatever_the_groups_segments_and_limits(
    groups: list[int], segment_bytes: int, start: float, limits: list[int]
) -> None:
    """It may begin in the middle of a group, as after a restart, and a segment may end soon after."""
    with TemporaryDirectory() as folder:
        log = RawLog(Path(folder), segment_bytes=segment_bytes)
        for group in groups:
            log.append([Tick(0)] * group)
        begin = 1 + round(start * (log.next - 2))
        reader = RawReader(log, begin)
        found: list[int] = []
        for limit in cycle(limits):
            chunks = reader.read(limit)
            if not chunks:
                break
            assert all(chunk.lost == 0 for chunk in chunks)
            found += [number for chunk in chunks for number in range(chunk.first, chunk.next)]
        log.close()
        assert found == list(range(begin, log.next))


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


def damaged_log(folder: Path, *, at: int) -> RawLog:
    """Segments of three groups each, the second of which has a spot in it, at a share of its length."""
    log = RawLog(folder, segment_bytes=300)
    for number in range(12):
        log.append(entries(number, 1))
    log.close()
    second = sorted(folder.glob("*.log"))[1]
    data = bytearray(second.read_bytes())
    spot = len(data) * at // 100
    data[spot : spot + 3] = b"\xff\xff\xff"
    second.write_bytes(data)
    return RawLog(folder, segment_bytes=300)


@pytest.mark.parametrize("at", [2, 50, 97])
def test_a_damaged_segment_is_read_as_far_as_can_be_and_then_set_aside(tmp_path: Path, at: int) -> None:
    log = damaged_log(tmp_path, at=at)
    numbers = [number for number, _ in read_all(log)]
    assert len(numbers) == 11
    assert numbers[-1] == 12
    assert log.set_aside == 0, "what is not folded may be read again"

    log.release(13)
    assert log.set_aside == 1
    assert RawLog(tmp_path).next == 13


def test_damage_is_no_damage_once_it_is_behind_the_checkpoint(tmp_path: Path) -> None:
    log = damaged_log(tmp_path, at=50)
    start = log.segments()[2].first
    assert [number for number, _ in read_all(log, start)] == list(range(start, 13))
    log.release(13)
    assert log.set_aside == 0


def test_a_segment_that_cannot_be_read_at_all_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = damaged_log(tmp_path, at=50)
    second = log.segments()[1]
    log._segments[1].path = tmp_path / "gone.log"
    lost = sum(chunk.lost for chunk in RawReader(log, 1).read(100))
    assert lost == second.next - second.first


def test_of_the_segments_that_were_set_aside_the_newest_are_kept(tmp_path: Path) -> None:
    log = RawLog(tmp_path, segment_bytes=1)
    for number in range(10):
        log.append(entries(number, 1))
    for segment in log.segments():
        log.note_damage(segment.path, "as a test says")
    log.release(11)
    assert log.set_aside == 4
    assert len(list(tmp_path.iterdir())) == 5


def test_strange_files_beside_the_segments_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.log").write_text("of a person")
    log = RawLog(tmp_path)
    log.append(entries(0, 1))
    assert RawLog(tmp_path).next == 2


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
