"""Custom resources that nobody would write, made from the CRDs' own schemas: the same ones for the same seed.

Three sorts. `likely` ones are what the schema allows, with texts that somebody has used. `odd` ones go to the bounds
and over them. `foreign` ones are what a server with an older or a newer CRD would hand out: fields that nobody knows,
fields that are missing, other types, other words.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from edgeglm_operator.offline.crds import Schema, our_crds
from tests.reconcile.builders import PLANT

Manifest = dict[str, Any]

KINDS: Final = ("InferenceService", "SensorGraph", "EdgeSite")
SORTS: Final = ("likely", "odd", "foreign")
ODD_SHARE: Final = 0.06
"""Of the values of an odd or foreign object."""
REUSED_SHARE: Final = 0.3
"""Of the values that are taken whole from an object that somebody wrote."""
OPTIONAL_SHARE: Final = 0.3
MOST_ITEMS: Final = 3

ODD_TEXTS: Final = (
    "",
    " ",
    "-",
    "--",
    "\n",
    "\x00",
    "Ω",
    "💥",
    "${site.x}",
    "{",
    "}",
    "%s",
    "../..",
    "x" * 4096,
    "null",
)
ODD_NUMBERS: Final = (0, -1, 1, 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 1e308, 0.1, -0.0)
WRONG_TYPES: Final[Sequence[Any]] = (None, True, 7, 1.5, "text", [], {}, [None], [[]], {"a": {"b": []}}, ["a", 1])

_ODD: Final[Mapping[str, Sequence[Any]]] = {
    "integer": ODD_NUMBERS,
    "number": ODD_NUMBERS,
    "string": ODD_TEXTS,
    "array": ([],),
    "object": ({},),
}

Path = tuple[str, ...]


class Fuzz:
    """Makes objects. `examples` lend their values, each at its own place of the schema."""

    def __init__(self, seed: int, examples: Iterable[Manifest]) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._known: defaultdict[Path, list[Any]] = defaultdict(list)
        self._odd_share = 0.0
        self._foreign = False
        for example in examples:
            self._learn((example["kind"], "spec"), example["spec"])

    def object(self, kind: str, name: str, sort: str) -> Manifest:
        """One object of a sort."""
        self._odd_share = 0.0 if sort == "likely" else ODD_SHARE
        self._foreign = sort == "foreign"
        schema = our_crds()[kind]
        made: Manifest = {
            "apiVersion": schema.api_version,
            "kind": kind,
            "metadata": {"name": name, "namespace": PLANT},
        }
        for part in ("spec", "status"):
            if part == "spec" or self._foreign:
                made[part] = self._value(schema.schema["properties"][part], (kind, part))
        return made

    def _learn(self, path: Path, value: Any) -> None:
        self._known[path].append(value)
        if isinstance(value, Mapping):
            for key, child in value.items():
                self._learn((*path, key), child)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            for child in value:
                self._learn((*path, "[]"), child)

    def _value(self, schema: Schema, path: Path) -> Any:
        if self._happens(self._odd_share):
            return self._odd(schema)
        known = self._known.get(path)
        if known and (self._happens(REUSED_SHARE) or "pattern" in schema):
            return self._chance.choice(known)
        return self._of_type(schema, path)

    def _of_type(self, schema: Schema, path: Path) -> Any:
        if "enum" in schema:
            return self._chance.choice(schema["enum"])
        make = {"object": self._map, "array": self._list}.get(schema.get("type", ""))
        return make(schema, path) if make else self._scalar(schema)

    def _scalar(self, schema: Schema) -> Any:
        match schema.get("type"):
            case "boolean":
                return self._happens(0.5)
            case "integer" | "number":
                return self._number(schema)
            case "string":
                return self._text(schema)
            case _:
                return self._chance.choice([1, 4, "1", "500m", "16Gi", "1e3"])

    def _map(self, schema: Schema, path: Path) -> dict[str, Any]:
        made = {}
        required = set(schema.get("required", ()))
        for key, child in schema.get("properties", {}).items():
            likelihood = 1 - self._odd_share if key in required else OPTIONAL_SHARE
            if self._happens(likelihood):
                made[key] = self._value(child, (*path, key))
        if isinstance(others := schema.get("additionalProperties"), Mapping):
            for key in self._chance.sample(["a", "site", "nvidia.com/gpu", "kubernetes.io/hostname"], 2):
                made[key] = self._value(others, (*path, "*"))
        if self._foreign and self._happens(self._odd_share):
            made["ofAnotherRelease"] = self._chance.choice(WRONG_TYPES)
        return made

    def _list(self, schema: Schema, path: Path) -> list[Any]:
        count = self._chance.randint(schema.get("minItems", 0), MOST_ITEMS)
        made = [self._value(schema["items"], (*path, "[]")) for _ in range(count)]
        keys = schema.get("x-kubernetes-list-map-keys", ())
        return list(
            {
                repr([item.get(key) for key in keys] if keys and isinstance(item, dict) else item): item
                for item in made
            }.values()
        )

    def _number(self, schema: Schema) -> float:
        least, most = schema.get("minimum", 0), schema.get("maximum", 1000)
        number = self._chance.choice([least, most, (least + most) / 2, min(most, least + 1)])
        return int(number) if schema["type"] == "integer" else float(number)

    def _text(self, schema: Schema) -> str:
        length = self._chance.choice([schema.get("minLength", 0), 5, min(schema.get("maxLength", 12), 300)])
        return "".join(self._chance.choices("abc-z019", k=length))

    def _odd(self, schema: Schema) -> Any:
        if self._foreign and self._happens(0.5):
            return self._chance.choice(WRONG_TYPES)
        if "enum" in schema:
            return "OfANewerRelease" if self._foreign else str(self._chance.choice(schema["enum"])).lower()
        return self._chance.choice(_ODD.get(schema.get("type", ""), WRONG_TYPES))

    def _happens(self, share: float) -> bool:
        return self._chance.random() < share
