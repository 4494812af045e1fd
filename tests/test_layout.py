"""The layout holds: neither source root shadows the standard library, however the project is installed or run."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE_ROOTS = ("operator", "edge_agent")
PACKAGES = ("edgeglm_api", "edgeglm_operator", "edgeglm_agent")
IMPORT_BOTH = "import operator, collections, dataclasses; print(operator.__file__); " + "; ".join(
    f"import {package}; print({package}.__file__)" for package in PACKAGES
)


def run_python(*arguments: str, cwd: Path, path: str | None = None) -> list[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    if path is not None:
        env["PYTHONPATH"] = path
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("root", SOURCE_ROOTS)
def test_a_source_root_is_no_package(root: str) -> None:
    assert (ROOT / root).is_dir()
    assert not (ROOT / root / "__init__.py").exists()


@pytest.mark.parametrize("path", [None, ".", str(ROOT)], ids=["plain", "PYTHONPATH=.", "PYTHONPATH=root"])
def test_an_editable_install_finds_the_standard_operator_and_our_packages(path: str | None) -> None:
    standard, *ours = run_python("-c", IMPORT_BOTH, cwd=ROOT, path=path)
    assert not standard.startswith(str(ROOT / "operator"))
    assert [Path(file).parent.name for file in ours] == list(PACKAGES)


def test_a_wheel_holds_our_packages_at_its_top_and_no_operator(tmp_path: Path) -> None:
    run_python("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    assert {entry.name for entry in installed.iterdir() if not entry.name.endswith(".dist-info")} == set(PACKAGES)
    standard, *ours = run_python("-c", IMPORT_BOTH, cwd=tmp_path, path=str(installed))
    assert not standard.startswith(str(installed))
    assert all(file.startswith(str(installed)) for file in ours)
    page = "from edgeglm_agent.page.assets import load_assets; print(*load_assets())"
    assert {"index.html", "page.css", "page.js"} <= {*run_python("-c", page, cwd=tmp_path, path=str(installed))}


def test_pytest_started_from_the_root_sees_the_standard_operator(tmp_path: Path) -> None:
    probe = tmp_path / "test_probe.py"
    probe.write_text("def test_it():\n    import operator\n    assert operator.eq(1, 1)\n")
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)]
    assert "passed" in run_python("-m", "pytest", *options, str(probe), cwd=ROOT)
