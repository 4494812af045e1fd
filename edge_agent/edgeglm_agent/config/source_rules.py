"""What must hold of one source: captures exist, paths and names can be read, and each format has what it needs."""

from collections.abc import Callable, Iterator
from typing import Final

from edgeglm_agent.decode.id_template import BadTemplate, check_template
from edgeglm_agent.decode.measure import BadMap, Measure
from edgeglm_agent.decode.name_pattern import BadName, NamePattern
from edgeglm_agent.decode.path import BadPath, compile_for_each, compile_path
from edgeglm_agent.decode.refused import Refused
from edgeglm_agent.decode.sensor_things import DATASTREAM
from edgeglm_agent.decode.source_topic import topic_of
from edgeglm_agent.decode.sparkplug import CONNECTION, parser
from edgeglm_agent.decode.topic import BadTopic
from edgeglm_api.sensor_graph import Limits, Measurement, Source

MAX_TEXTS: Final = 4
"""Of one source."""
MAX_TEXT_CHARS: Final = 500
_Found = Iterator[tuple[str, str]]


def problems_of_source(source: Source) -> _Found:
    """Yield the field and what is wrong with it."""
    try:
        captures = topic_of(source).captures
    except BadTopic as error:
        yield "topic", str(error)
        return
    if not source.measurements and not source.text and source.kind != "Relation":
        yield "measurements", "is empty; name at least one number to read"
    yield from _kind(source)
    yield from _FORMATS[source.format](source, captures)
    for at, measurement in enumerate(source.measurements):
        for field, message in _measurement(measurement):
            yield f"measurements[{at}].{field}", message


def _kind(source: Source) -> _Found:
    in_words = source.kind in {"State", "Event"}
    for at, measurement in enumerate(source.measurements):
        if (measurement.type == "Enum") != in_words:
            yield f"measurements[{at}].type", f"is {measurement.type}; States and Events are Enums, and nothing else is"
        if measurement.type == "Enum" and _numeric(measurement):
            yield f"measurements[{at}]", "is a word, and a word has no unit, min, max and limits"
        if measurement.operating_state and source.kind != "State":
            yield f"measurements[{at}].operatingState", f"is for a State, which holds; this is {source.kind}"

    if source.kind == "Relation":
        if source.measurements or source.text or not source.relations or source.format != "JSON":
            yield "kind", "is Relation, which has relations, no measurements, no text, and the format JSON"
    elif any(each.op or each.op_from or each.ttl_seconds for each in source.relations):
        yield "relations", f"come and go only in a source of kind Relation, and this is {source.kind}"
    for at, relation in enumerate(source.relations):
        if relation.op_from is not None:
            yield from _path(f"relations[{at}].opFrom.path", relation.op_from.path)


def _numeric(measurement: Measurement) -> bool:
    """Tell whether it has what only numbers have."""
    bounds = (measurement.min, measurement.max)
    return bool(measurement.unit) or any(each is not None for each in bounds) or measurement.limits != Limits()


def _json(source: Source, captures: frozenset[str]) -> _Found:
    yield from _templates(source, captures)
    for at, measurement in enumerate(source.measurements):
        if measurement.path is None or measurement.name is not None:
            yield f"measurements[{at}]", "needs a path and no name: JSON has its values at paths"
        else:
            yield from _path(f"measurements[{at}].path", measurement.path)
    for at, field in enumerate(source.text):
        yield from _path(f"text[{at}].path", field.path)
        if not 1 <= field.max_chars <= MAX_TEXT_CHARS:
            yield f"text[{at}].maxChars", f"{field.max_chars} must be 1 to {MAX_TEXT_CHARS}"
    if len({field.property for field in source.text}) < len(source.text) or len(source.text) > MAX_TEXTS:
        yield "text", f"must be at most {MAX_TEXTS} properties, each named once"
    if source.timestamp is not None:
        yield from _path("timestamp.path", source.timestamp.path)
    if source.for_each is not None:
        try:
            compile_for_each(source.for_each)
        except BadPath as error:
            yield "forEach", str(error)


def _senml(source: Source, captures: frozenset[str]) -> _Found:
    yield from _by_names(source, captures)


def _sparkplug(source: Source, captures: frozenset[str]) -> _Found:
    try:
        parser()
    except Refused:
        yield "format", "is SparkplugB, which needs protobuf; install edgeglm[agent,sparkplug]"
    for at, measurement in enumerate(source.measurements):
        if measurement.property == CONNECTION:
            yield f"measurements[{at}].property", f"is {CONNECTION!r}, which births and deaths say; choose another name"
    yield from _by_names(source, captures)


def _by_names(source: Source, captures: frozenset[str]) -> _Found:
    """Yield what is wrong with a source in a format that names its values."""
    yield from _no_places(source)
    for at, measurement in enumerate(source.measurements):
        if measurement.name is None or measurement.path is not None or measurement.quality is not None:
            yield f"measurements[{at}]", f"needs a name and neither path nor quality: {source.format} names its values"
            continue
        yield from _named(source, at, measurement.name, captures, of_payload=False)


def _sensor_things(source: Source, captures: frozenset[str]) -> _Found:
    yield from _no_places(source)
    known = captures | {DATASTREAM}
    for at, measurement in enumerate(source.measurements):
        if measurement.path is not None:
            yield from _path(f"measurements[{at}].path", measurement.path)
        if measurement.name is None:
            yield from _templates(source, known)
        else:
            yield from _named(source, at, measurement.name, known, of_payload=True)


def _no_places(source: Source) -> _Found:
    for field, given in (("forEach", source.for_each), ("timestamp", source.timestamp)):
        if given is not None:
            yield field, f"is for JSON; {source.format} says itself where items and times are"
    if source.text:
        yield "text", f"is for JSON, and this is {source.format}"


def _named(source: Source, at: int, name: str, captures: frozenset[str], *, of_payload: bool) -> _Found:
    try:
        named = NamePattern(name).captures
    except BadName as error:
        yield f"measurements[{at}].name", str(error)
    else:
        yield from _templates(source, captures | named, of_payload=of_payload)


def _templates(source: Source, captures: frozenset[str], *, of_payload: bool = True) -> _Found:
    templates = [("entity.id", source.entity.id)]
    templates += [(f"relations[{at}].to.id", relation.to.id) for at, relation in enumerate(source.relations)]
    for field, template in templates:
        try:
            check_template(template, captures)
        except (BadTemplate, BadPath) as error:
            yield field, str(error)
        if not of_payload and any(sign in template for sign in ("{$", "{@")):
            yield field, f"{template!r} asks for a value of the payload; {source.format} is read by names"


def _measurement(measurement: Measurement) -> _Found:
    try:
        Measure(measurement)
    except BadMap as error:
        yield "map", str(error)
    except BadPath as error:
        yield "quality.path", str(error)


def _path(field: str, path: str) -> _Found:
    try:
        compile_path(path)
    except BadPath as error:
        yield field, str(error)


_FORMATS: Final[dict[str, Callable[[Source, frozenset[str]], _Found]]] = {
    "JSON": _json,
    "SenML": _senml,
    "SensorThings": _sensor_things,
    "SparkplugB": _sparkplug,
}
