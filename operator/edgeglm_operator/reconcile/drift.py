"""Whether a live object still says what we applied.

The server answers with more than it was given (defaults, other people's fields) and in other words (`1000m` becomes
`1`, an empty string is dropped). So the intent must be contained in the live object, not equal to it; only what the API
treats as one value (a Service's selector, arguments, tolerations) must be equal: there an addition changes the meaning.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import takewhile
from typing import Any, Final

from edgeglm_operator.quantity import number_of

# Lists that server-side apply merges item by item, and by which fields it tells the items apart (the
# `x-kubernetes-list-map-keys` of Kubernetes' own OpenAPI). All other lists are one value.
_LIST_KEYS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "env": (("name",),),
    "volumes": (("name",),),
    "volumeMounts": (("mountPath",),),
    "imagePullSecrets": (("name",),),
    "resourceClaims": (("name",),),
    "claims": (("name",),),
    "ownerReferences": (("uid",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
}
_KEY_DEFAULTS: Final = {"protocol": "TCP"}

_WHOLE: Final = frozenset({"selector", "nodeSelector", "matchLabels"})
"""Maps that are one value (`x-kubernetes-map-type: atomic`, or immutable)."""

_QUANTITIES: Final = frozenset({"limits", "requests", "sizeLimit"})

Path = tuple[str, ...]
"""Names of fields from the root; `[x]` for an item of a list. Names may have dots (`nvidia.com/gpu`)."""


def drift(live: Mapping[str, Any], intent: Mapping[str, Any]) -> str | None:
    """The path of the first field in which the live object departs from the intent."""
    path = _of_map(live, intent, "")
    return None if path is None else ".".join(path).replace(".[", "[")


def list_in_the_way(live: Mapping[str, Any], intent: Mapping[str, Any]) -> dict[str, Any] | None:
    """A merge patch that puts back the whole of the list in which the live object departs from the intent.

    Server-side apply merges lists item by item, so that somebody else's item can make ours impossible: a second port
    of the same name, say. Replaced as a whole, the list is ours again.
    """
    path = _of_map(live, intent, "") or ()
    fields = tuple(takewhile(lambda field: not field.startswith("["), path))
    if len(fields) == len(path):
        return None
    whole: Any = reduce(lambda value, field: value[field], fields, intent)
    patch: dict[str, Any] = reduce(lambda value, field: {field: value}, reversed(fields), whole)
    return patch


def _of_value(live: Any, intent: Any, name: str, within: str) -> Path | None:  # noqa: ANN401 - the shape of JSON
    """The way on from here to the first departure; empty when it is here."""
    if isinstance(intent, dict):
        return _of_map(live, intent, name) if isinstance(live, dict) else ()
    if isinstance(intent, list | tuple):
        return _of_list(live, intent, name) if isinstance(live, list | tuple) else ()
    return None if _is_same(live, intent, (within, name)) else ()


def _of_map(live: Mapping[str, Any], intent: Mapping[str, Any], name: str) -> Path | None:
    if name in _WHOLE and live.keys() != intent.keys():
        return ()
    for key, wanted in intent.items():
        if key not in live:
            # The server leaves out what is empty.
            found: Path | None = None if wanted in (None, "", [], {}, ()) else ()
        elif type(wanted) is str and live[key] == wanted:
            continue  # most fields are text, and this is a tenth of the way through the functions below
        else:
            found = _of_value(live[key], wanted, key, name)
        if found is not None:
            return (key, *found)
    return None


def _of_list(live: Sequence[Any], intent: Sequence[Any], name: str) -> Path | None:
    for keys in _LIST_KEYS.get(name, ()):
        if all(isinstance(item, dict) and keys[0] in item for item in intent):
            return _of_keyed(live, intent, keys)
    if len(live) != len(intent):
        return ()
    for index, (there, wanted) in enumerate(zip(live, intent, strict=True)):
        found = _of_value(there, wanted, "", name)
        if found is not None:
            return (f"[{index}]", *found)
    return None


def _of_keyed(live: Sequence[Any], intent: Sequence[Mapping[str, Any]], keys: tuple[str, ...]) -> Path | None:
    there = {_identity(item, keys): item for item in live if isinstance(item, dict)}
    for item in intent:
        identity = _identity(item, keys)
        found = _of_map(there[identity], item, "") if identity in there else ()
        if found is not None:
            return (f"[{identity[0]}]", *found)
    return None


def _identity(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key, _KEY_DEFAULTS.get(key)) for key in keys)


def _is_same(live: Any, intent: Any, names: Path) -> bool:  # noqa: ANN401 - the shape of JSON
    if live == intent and isinstance(live, bool) == isinstance(intent, bool):
        return True
    if not _QUANTITIES.intersection(names):
        return False
    return number_of(live) == number_of(intent) is not None
