"""Our CRDs, as they stand in the checkout or in the wheel."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from edgeglm_api.group import GROUP

Schema = Mapping[str, Any]

_PACKAGE: Final = Path(__file__).parents[1]
_PLACES: Final = (_PACKAGE / "crds", _PACKAGE.parents[1] / "crds")
"""In a wheel they lie in the package; in a checkout, which an editable install is, beside `operator/`."""


@dataclass(frozen=True, slots=True)
class Crd:
    """One kind in one version."""

    kind: str
    api_version: str
    schema: Schema


@cache
def our_crds() -> Mapping[str, Crd]:
    """The served versions, by kind."""
    found = (crd for path in sorted(directory().glob("*.yaml")) for crd in _versions(path))
    return {crd.kind: crd for crd in found}


def directory() -> Path:
    """Where the CRDs are."""
    return next((place for place in _PLACES if place.is_dir()), _PLACES[0])


def _versions(path: Path) -> list[Crd]:
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
    kind = spec["names"]["kind"]
    return [
        Crd(kind, f"{GROUP}/{version['name']}", version["schema"]["openAPIV3Schema"])
        for version in spec["versions"]
        if version["served"]
    ]
