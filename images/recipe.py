"""What each image is made from; an image is built anew only when one of these changes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.cache import cache_root, key_of

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
# No registry serves this name, so an image that was not imported is an error and never a download.
REGISTRY = "edgeglm.local"


@dataclass(frozen=True)
class Recipe:
    """One image: its inputs, and what has to be in its build context."""

    name: str
    tag: str = "dev"
    inputs: Callable[[], Iterable[Path | str]] = tuple
    fill: Callable[[Path], None] = lambda _: None
    base: "Recipe | None" = None
    layers: bool = True

    @property
    def reference(self) -> str:
        """The name that a pod gives for it."""
        return f"{REGISTRY}/{self.name}:{self.tag}"

    @property
    def containerfile(self) -> Path:
        """The recipe itself."""
        return HERE / f"Containerfile.{self.name}"

    @property
    def archive(self) -> Path:
        """Where the finished image is."""
        return cache_root() / "images" / f"{self.name}-{self.key()}.tar"

    def key(self) -> str:
        """Changes with any input."""
        under = [self.base.key()] if self.base else []
        return key_of([self.containerfile, *under, *self.inputs()])
