"""Make images, and leave those alone whose inputs did not change."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from images import buildah
from images.recipe import Recipe
from images.recipes import RECIPES
from tests.cluster.cache import cache_root, locked
from tests.cluster.debian import IMAGE_PACKAGES, install
from tests.cluster.progress import say, step

# Old archives stay for a while: another session may be about to import one.
KEPT = 3


def archives(names: Sequence[str]) -> list[Path]:
    """The archives of these images, made now where they are missing."""
    return [archive(RECIPES[name]) for name in names]


def archive(recipe: Recipe) -> Path:
    """The archive of one image."""
    with locked(f"image-{recipe.name}"):
        final = recipe.archive  # asked once: the sources may change under a long build
        if final.exists():
            say(f"image {recipe.reference} is up to date")
        else:
            install(IMAGE_PACKAGES)
            _build(recipe, final)
            _remove_old(recipe)
    return final


def _build(recipe: Recipe, final: Path) -> None:
    base = archive(recipe.base) if recipe.base else None
    final.parent.mkdir(exist_ok=True)
    with step(f"building image {recipe.reference}"), tempfile.TemporaryDirectory(dir=cache_root()) as context:
        recipe.fill(Path(context))
        names = (recipe.reference, recipe.containerfile, Path(context), final)
        buildah.build(*names, base=base, layers=recipe.layers)


def _remove_old(recipe: Recipe) -> None:
    archives_of_it = recipe.archive.parent.glob(f"{recipe.name}-*.tar")
    newest_first = sorted(archives_of_it, key=lambda path: -path.stat().st_mtime)
    for old in newest_first[KEPT:]:
        old.unlink()
