"""From the web into a part, however often the line breaks."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from edgeglm_operator.download.errors import Broken
from edgeglm_operator.download.hours import Hours
from edgeglm_operator.download.pace import Pace
from edgeglm_operator.download.part import Part
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.web import Body

BodyFrom = Callable[[int], AbstractContextManager[Body]]
"""The rest of a file, from an offset on."""


def fetch(body_from: BodyFrom, part: Part, *, pace: Pace, hours: Hours, patience: Patience) -> Iterator[int]:
    """Bring the rest of a file and give it its name. Yields its size after each step, so that one may stop in between.

    What an earlier process left may not have reached the disk; if the checksum tells so, all is fetched once more.
    """
    yield from _fill(body_from, part, pace=pace, hours=hours, patience=patience)
    if part.is_resumed and not part.is_right:
        part.begin_anew()
        yield from _fill(body_from, part, pace=pace, hours=hours, patience=patience)
    part.finish()


def _fill(body_from: BodyFrom, part: Part, *, pace: Pace, hours: Hours, patience: Patience) -> Iterator[int]:
    while part.size < part.entry.size:
        before = part.size
        try:
            yield from _read_on(body_from, part, pace=pace, hours=hours)
        except Broken as broken:
            if part.size > before:
                patience.renew()
            patience.wait(broken)
        else:
            patience.renew()


def _read_on(body_from: BodyFrom, part: Part, *, pace: Pace, hours: Hours) -> Iterator[int]:
    hours.wait()
    before = part.size
    with body_from(part.size) as body:
        if body.offset != part.size:
            part.begin_anew()
        for chunk in body.chunks:
            part.append(chunk)
            pace.keep(len(chunk))
            yield part.size
            # No line is held open until tomorrow: the rest is asked for then.
            if part.size >= part.entry.size or hours.are_over:
                return
    if part.size <= before:
        raise Broken(f"{part.entry.path} ends before its end")
