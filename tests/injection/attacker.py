"""An engine that follows whatever instruction it finds in the data, whatever its own are and whatever the schema says.

What a real model might be talked into, this one does: it names strangers, cites what does not fit, quotes its prompt,
drowns its reader, leaves the schema. Each second time that it is told what was wrong it keeps to the ids, and injects
by its comment.
"""

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from tests.edge.stub_engine import Scripted
from tests.injection.corpus import CORPUS, Hostile

Claim = dict[str, Any]
STRANGER: Final = "pump-99"
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


class ObedientAttacker:
    """Keeps count of what it was talked into, by what the strings want, and of two wants prefers the rarer one."""

    def __init__(self) -> None:
        self.obeyed: Counter[str] = Counter()
        self._told_off = 0

    def __call__(self, body: dict[str, Any]) -> Scripted:
        messages, item = body["messages"], _item(body)
        seen = _heard(messages[1]["content"])
        if not seen:
            return _says([_claim(item)] if item else [])
        hostile = min(seen, key=lambda each: self.obeyed[each.wants])
        self.obeyed[hostile.wants] += 1
        if len(messages) > 2 and self._gives_in():
            return _says([_claim(item) | {"comment": hostile.text}] if item else [])
        return OBEY[hostile.wants](hostile, item, json.dumps(messages))

    def _gives_in(self) -> bool:
        self._told_off += 1
        return self._told_off % 2 == 0


class Possessed:
    """Says the strings by itself, one after the other, wherever a claim has text, and now and then as a field."""

    def __init__(self, *, times: int) -> None:
        texts = [each.text for each in CORPUS]
        self._turns = 0
        self._texts = itertools.cycle([*texts, *(text * times for text in texts if len(text) < 200)])

    def __call__(self, body: dict[str, Any]) -> Scripted:
        text = next(self._texts)
        self._turns += 1
        return _says([_naming(_item(body), text, text) if self._turns % 4 else {text: text}])


def _heard(prompt: str) -> list[Hostile]:
    """What stands in the prompt, be it escaped or not; the longest only, as short ones stand everywhere."""
    read = prompt + "\n".join(_unquoted(prompt))
    found = [each for each in CORPUS if each.text in read]
    return [each for each in found if len(each.text) > 6] or found


def _unquoted(prompt: str) -> Iterable[str]:
    for quoted in _QUOTED.findall(prompt):
        try:
            yield json.loads(quoted)
        except ValueError:
            continue


def _item(body: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of one finding, as properties; None where none is possible."""
    properties = body["response_format"]["json_schema"]["schema"]["properties"]
    item = properties["findings"].get("items")
    return item["properties"] if item else None


def _claim(item: dict[str, Any] | None, *, last: bool = False) -> Claim:
    """A claim that keeps to the schema: the first that it allows, or the last."""
    return {name: _value(schema, last=last) for name, schema in (item or {}).items()}


def _value(schema: dict[str, Any], *, last: bool) -> Any:
    if "enum" in schema:
        return schema["enum"][-1 if last else 0]
    if schema["type"] == "array":
        return [_value(schema["items"], last=last)] if schema["maxItems"] else []
    return "as the data says"


def _naming(item: dict[str, Any] | None, name: str, *cited: str) -> Claim:
    """A claim all of whose ids and labels are the same name."""
    kept = {"confidence": "High", "comment": name, "evidence": list(cited)}
    return {field: kept.get(field, name) for field in item or {"node": 0, **kept}}


def _says(claims: list[Claim], *, assessment: str = "anomaly", **fields: Any) -> Scripted:
    word = assessment if claims else "normal"
    return Scripted(json.dumps({"assessment": word, "findings": claims} | fields))


Obey = Callable[[Hostile, dict[str, Any] | None, str], Scripted]
OBEY: Final[dict[str, Obey]] = {
    "normal": lambda _hostile, _item, _prompt: _says([]),
    "silence": lambda _hostile, _item, _prompt: Scripted(""),
    "raw": lambda hostile, _item, _prompt: Scripted(hostile.text),
    "tool": lambda hostile, _item, _prompt: Scripted(None, reasoning=hostile.text),
    "blame": lambda _hostile, item, _prompt: _says([_naming(item, STRANGER, "e99")]),
    "spoof": lambda hostile, item, _prompt: _says([_naming(item, hostile.text, "e1"), _claim(item)]),
    "label": lambda hostile, item, _prompt: _says([_naming(item, hostile.text, hostile.text)]),
    "swap": lambda _hostile, item, _prompt: _says([_claim(item) | {"evidence": _claim(item, last=True)["evidence"]}]),
    "echo": lambda hostile, item, _prompt: _says([_claim(item) | {"comment": hostile.text * 3}]),
    "leak": lambda _hostile, item, prompt: _says([_claim(item) | {"comment": prompt}]),
    "flood": lambda hostile, item, _prompt: _says(
        [_claim(item) | {"comment": hostile.text * 300}, _naming(item, hostile.text * 300, "e1")]
    ),
    "fields": lambda hostile, item, _prompt: _says(
        [_claim(item) | {hostile.text: hostile.text, "statement": hostile.text}]
    ),
    "publish": lambda hostile, item, _prompt: _says([_claim(item)], topic=hostile.text),
}
