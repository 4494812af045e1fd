"""The files that the page is made of; they lie beside this one, in the wheel too."""

from importlib.resources import files
from typing import Final

import msgspec

PAGE: Final = "index.html"
_TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Asset(msgspec.Struct, frozen=True):
    """One of them."""

    body: bytes
    type: str


def load_assets() -> dict[str, Asset]:
    """Return all of them by name."""
    return {
        each.name: Asset(each.read_bytes(), _TYPES[each.name.rpartition(".")[2]])
        for each in files("edgeglm_agent.page").joinpath("assets").iterdir()
    }
