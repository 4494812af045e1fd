"""Argo CD's health scripts, run as Argo CD runs those of a user: with the base and table libraries and nothing else."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml
from lupa import luajit21

ROOT = Path(__file__).parents[2]
CUSTOMIZATIONS = ROOT / "argocd" / "resource_customizations" / "edgeglm.io"
KINDS = ("InferenceService", "SensorGraph", "EdgeSite")

# What Argo CD opens (util/lua/lua.go). String methods are missed most: ("x"):lower() fails there.
_KEPT = (
    "table",
    "ipairs",
    "pairs",
    "next",
    "type",
    "tostring",
    "tonumber",
    "select",
    "unpack",
    "error",
    "assert",
    "pcall",
)


class Health(NamedTuple):
    """What a script says."""

    status: str
    message: str


def health_of(kind: str, manifest: dict[str, Any]) -> Health:
    """Run the script of a kind over one object."""
    lua = luajit21.LuaRuntime(unpack_returned_tuples=True)
    lua.execute('getmetatable("").__index = nil')
    run = lua.eval(
        "function(script, object, globals) object = setfenv(loadstring(script), globals); return object() end"
    )
    globals_ = lua.table_from({name: lua.globals()[name] for name in _KEPT})
    globals_["obj"] = lua.table_from(manifest, recursive=True)
    answer = run((CUSTOMIZATIONS / kind / "health.lua").read_text(), None, globals_)
    return Health(answer["status"], answer["message"] or "")


def recorded(kind: str) -> list[tuple[Path, Health]]:
    """The objects of health_test.yaml, and what is to be said of them."""
    directory = CUSTOMIZATIONS / kind
    tests = yaml.safe_load((directory / "health_test.yaml").read_text())["tests"]
    return [
        (directory / each["inputPath"], Health(each["healthStatus"]["status"], each["healthStatus"].get("message", "")))
        for each in tests
    ]
