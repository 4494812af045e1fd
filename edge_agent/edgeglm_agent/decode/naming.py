"""Whom a message speaks of, and what that is related to."""

from functools import lru_cache
from typing import Final

from edgeglm_agent.decode.id_template import Captures, IdTemplate
from edgeglm_agent.decode.observation import Entity, Relation
from edgeglm_agent.decode.path import Place, compile_path
from edgeglm_agent.decode.refused import Reason, Refused
from edgeglm_agent.decode.word import word_of
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_api.sensor_graph import EntityRef, Kind, Source, SourceRelation

MAX_KNOWN_ENTITIES: Final = 4096
"""Of one template: the same ones are spoken of again and again."""


class EntityName:
    """An entity's type and the template of its id, with other names that it goes by."""

    def __init__(self, ref: EntityRef) -> None:
        self._ref = ref
        self._template = IdTemplate(ref.id)
        self._known = lru_cache(MAX_KNOWN_ENTITIES)(self._entity)

    @property
    def of_topic(self) -> bool:
        """Whether the topic alone says the id."""
        return self._template.of_topic

    def of(self, captures: Captures, place: Place) -> Entity:
        """Return the entity; raises Refused when it has no usable id."""
        return self._known(self._template.words(captures, place))

    def _entity(self, words: tuple[str, ...]) -> Entity:
        said = self._template.fill(words)
        return Entity(id=self._ref.aliases.get(said, said), type=self._ref.type)


class RelationName:
    """A relation of a source, compiled; raises BadPath for the path of its op."""

    def __init__(self, relation: SourceRelation, kind: Kind) -> None:
        self._type = relation.type
        self._to = EntityName(relation.to)
        self._op = (relation.op or "Replace") if kind == "Relation" else ""
        self._ttl_ns = (relation.ttl_seconds or 0) * NANOS_PER_SECOND
        self._op_from = relation.op_from
        self._said = compile_path(relation.op_from.path) if relation.op_from else None

    @property
    def of_topic(self) -> bool:
        """Whether the topic alone says all of it."""
        return self._said is None and self._to.of_topic

    def of(self, captures: Captures, place: Place) -> Relation:
        """Return what a message says of it; raises Refused."""
        return Relation(self._type, self._to.of(captures, place), self._op_of(place), self._ttl_ns)

    def _op_of(self, place: Place) -> str:
        if self._op_from is None or self._said is None:
            return self._op
        op = self._op_from.map.get(word_of(self._said(place)))
        if op is None:
            raise Refused(Reason.UNMAPPED)
        return op


class Naming:
    """The names of one source."""

    def __init__(self, source: Source) -> None:
        self._entity = EntityName(source.entity)
        self._relations = tuple(RelationName(relation, source.kind) for relation in source.relations)

    @property
    def of_topic(self) -> bool:
        """Whether the topic alone says all of them."""
        return self._entity.of_topic and all(relation.of_topic for relation in self._relations)

    def entity(self, captures: Captures, place: Place) -> Entity:
        """Return whom a message, or an item of it, speaks of; raises Refused."""
        return self._entity.of(captures, place)

    def relations(self, captures: Captures, place: Place) -> tuple[Relation, ...]:
        """Return what the entity is related to; raises Refused."""
        return tuple(relation.of(captures, place) for relation in self._relations)
