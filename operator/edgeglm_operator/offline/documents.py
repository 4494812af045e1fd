"""Reading YAML files as `kubectl` does: several documents in one file, lists taken apart."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from edgeglm_operator.offline.bad_input import BadInput

STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class Document:
    """One object, and the file it stands in."""

    file: str
    raw: dict[str, Any]

    @property
    def kind(self) -> str:
        """Its kind; empty when it says none."""
        return str(self.raw.get("kind") or "")

    @property
    def api_version(self) -> str:
        """Its group and version; empty when it says none."""
        return str(self.raw.get("apiVersion") or "")

    @property
    def identity(self) -> str:
        """`Kind/namespace/name`, as far as it says."""
        metadata = self.raw.get("metadata")
        named = metadata if isinstance(metadata, Mapping) else {}
        parts = (self.kind or "?", named.get("namespace"), named.get("name") or "?")
        return "/".join(str(part) for part in parts if part)

    def fault(self, path: str, message: str) -> str:
        """A line about one of its fields: one line, whatever stands in the file."""
        said = f"{self.identity}: {path}: {message}" if path else f"{self.identity}: {message}"
        return f"{self.file}: {' '.join(said.split())}"


def read_documents(file: str) -> list[Document]:
    """All objects of a file; `-` is the standard input. Raises BadInput when it cannot be read."""
    try:
        text = sys.stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8")
        found = list(yaml.load_all(text, Loader=_Loader))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        raise BadInput(f"{file}: is not YAML: {_said(error)}") from error
    except RecursionError as error:
        raise BadInput(f"{file}: is nested too deeply") from error
    return list(_objects(file, found))


def _objects(file: str, found: list[Any]) -> Iterator[Document]:
    for raw in found:
        if raw is None:
            continue
        if not isinstance(raw, dict):
            raise BadInput(f"{file}: holds a {_type_name(raw)} where an object with apiVersion and kind should be")
        items = raw.get("items")
        if str(raw.get("kind") or "").endswith("List") and isinstance(items, list):
            yield from _objects(file, items)
        else:
            yield Document(file, raw)


class _Loader(yaml.SafeLoader):
    """YAML as the API server's own reader has it: no dates, no numbers to the base of 60, no key twice."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    loader.flatten_mapping(node)
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is not a string", key_node.start_mark)
        if key in found:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int | str:
    text = str(loader.construct_scalar(node))
    return text if ":" in text else int(loader.construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def _said(error: yaml.YAMLError) -> str:
    """What a YAML error says, in one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem or error.context}"
    return " ".join(str(error).split())


def _type_name(value: Any) -> str:  # noqa: ANN401 - anything that YAML holds
    names: dict[type, str] = {list: "list", str: "text", int: "number", float: "number"}
    return names.get(type(value), type(value).__name__)
