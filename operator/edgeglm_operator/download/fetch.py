"""From the web into a part, however often the line breaks."""

from collections.abc import Iterator

from edgeglm_operator.download.errors import Broken
from edgeglm_operator.download.pace import Pace
from edgeglm_operator.download.part import Part
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.web import Web


def fetch(web: Web, url: str, part: Part, *, pace: Pace, patience: Patience) -> Iterator[int]:
    """Bring the rest of a file and give it its name. Yields its size after each step, so that one may stop in between.

    What an earlier process left may not have reached the disk; if the checksum tells so, all is fetched once more.
    """
    yield from _fill(web, url, part, pace=pace, patience=patience)
    if part.is_resumed and not part.is_right:
        part.begin_anew()
        yield from _fill(web, url, part, pace=pace, patience=patience)
    part.finish()


def _fill(web: Web, url: str, part: Part, *, pace: Pace, patience: Patience) -> Iterator[int]:
    while part.size < part.entry.size:
        before = part.size
        try:
            yield from _read_on(web, url, part, pace=pace)
        except Broken as broken:
            if part.size > before:
                patience.renew()
            patience.wait(broken)
        else:
            patience.renew()


def _read_on(web: Web, url: str, part: Part, *, pace: Pace) -> Iterator[int]:
    before = part.size
    with web.body(url, offset=part.size, chunk_bytes=pace.chunk_bytes) as body:
        if body.offset != part.size:
            part.begin_anew()
        for chunk in body.chunks:
            part.append(chunk)
            pace.keep(len(chunk))
            yield part.size
            if part.size >= part.entry.size:
                return
    if part.size <= before:
        raise Broken(f"{url} ends before its end")
