"""The images of the project, and how the build context of each is filled."""

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from images.recipe import HERE, REPOSITORY, Recipe
from tests.cluster.cache import cache_root, key_of, locked, made_whole
from tests.cluster.command import run
from tests.engine.place import engine_key, packages
from tests.engine.setup import setup

SUITE = "bookworm"
BASE_PACKAGES = ("ca-certificates", "libnuma1", "python3", "python3-pip")
# Nobody reads manuals in a container.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "operator", "edge_agent", "crds")


def _fill_base(context: Path) -> None:
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}", *options]
    run([*command, SUITE, context / "rootfs.tar"], bound_seconds=900)


def _fill_pause(context: Path) -> None:
    flags = ["-trimpath", "-ldflags=-s -w", f"-o={context / 'pause'}"]
    run(["go", "build", *flags, "."], cwd=HERE / "pause", env={"CGO_ENABLED": "0"}, bound_seconds=300)


def _fill_project(name: str, context: Path) -> None:
    (context / "requirements").mkdir()
    shutil.copy(REPOSITORY / "requirements" / f"{name}.txt", context / "requirements")
    shutil.copytree(project_wheel(), context / "dist")


def _fill_engine(context: Path) -> None:
    setup()
    # Hard links: gigabytes that are only read.
    run(["cp", "--archive", "--link", packages(), context / "packages"])


def project_wheel() -> Path:
    """A directory with the project's wheel, made once for each state of the sources."""
    final = cache_root() / "wheel" / key_of(_project_sources())
    with locked("wheel"):
        if not final.exists():
            with made_whole(final) as scratch:
                run(
                    [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", scratch, REPOSITORY],
                    bound_seconds=300,
                )
    return final


def _project_sources() -> Iterable[Path | str]:
    for name in SOURCES:
        path = REPOSITORY / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(REPOSITORY))
                yield file


def _project_inputs(name: str) -> list[Path | str]:
    return [REPOSITORY / "requirements" / f"{name}.txt", *_project_sources()]


BASE = Recipe("base", inputs=lambda: [SUITE, *BASE_PACKAGES, *LEFT_OUT], fill=_fill_base)
PAUSE = Recipe("pause", tag="1", inputs=lambda: [HERE / "pause" / "main.go"], fill=_fill_pause)
OPERATOR = Recipe(
    "operator",
    base=BASE,
    inputs=lambda: _project_inputs("operator"),
    fill=lambda context: _fill_project("operator", context),
)
AGENT = Recipe(
    "agent", base=BASE, inputs=lambda: _project_inputs("agent"), fill=lambda context: _fill_project("agent", context)
)
ENGINE_IMAGE = Recipe("engine", base=BASE, inputs=lambda: [engine_key()], fill=_fill_engine, layers=False)
RECIPES = {recipe.name: recipe for recipe in (PAUSE, BASE, OPERATOR, AGENT, ENGINE_IMAGE)}
