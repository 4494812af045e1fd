"""Which objects an operator looks after, where several share a cluster: those whose labels meet a selector.

Only terms that it can make labels meet are allowed, for it makes EdgeSites and must see them: `KEY=VALUE` and `!KEY`.
So one operator has `edgeglm.io/shard=a`, another `edgeglm.io/shard=b`, and a third all the rest: `!edgeglm.io/shard`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_KEY: Final = r"(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_VALUE: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_TERM: Final = re.compile(rf"!(?P<absent>{_KEY})|(?P<key>{_KEY})=(?P<value>{_VALUE})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A label selector. An empty one is met by all."""

    selector: str = ""
    """As the API server takes it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What its objects bear."""
    absent: frozenset[str] = frozenset()
    """The keys that its objects do not bear."""

    def meets(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is looked after."""
        return self.labels.items() <= labels.items() and self.absent.isdisjoint(labels)


EVERYTHING: Final = Shard()


def shard_of(selector: str) -> Shard:
    """Read a selector. Raises ValueError with what is wrong."""
    labels, absent = {}, set()
    for term in filter(None, selector.split(",")):
        found = _TERM.fullmatch(term)
        if found is None:
            raise ValueError(f"{term}: write KEY=VALUE or !KEY, several of them with commas in between")
        if found["absent"]:
            absent.add(found["absent"])
        else:
            labels[found["key"]] = found["value"]
    return Shard(selector=selector, labels=labels, absent=frozenset(absent))
