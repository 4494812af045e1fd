"""What passes and what is refused, offline: schema, defaults and CEL as `edgeglm validate` applies them."""

import pytest

from edgeglm_operator.offline.cel_check import rule_faults
from edgeglm_operator.offline.crds import our_crds
from edgeglm_operator.offline.defaults import with_defaults
from edgeglm_operator.offline.schema_check import schema_faults
from tests.crd.rows import ANY, ROWS, Object, Row


def refusals(row: Row) -> list[str]:
    """The messages. Rules are looked at only when the schema is content, as the API server does."""
    schema = our_crds()[row.object["kind"]].schema
    value = with_defaults(schema, row.object)
    before = {} if row.old is None else {"old": with_defaults(schema, row.old)}
    faults = schema_faults(schema, value) or rule_faults(schema, value, **before)
    return [message for _, message in faults]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_each_row_passes_or_is_refused_with_its_message(row: Row) -> None:
    said = refusals(row)
    assert bool(said) is (row.refused is not None), said
    if row.refused not in {None, ANY}:
        assert any(str(row.refused) in message for message in said), said


def test_every_rule_refuses_some_row() -> None:
    """A rule that no row breaks might as well be wrong."""
    messages = {message for crd in our_crds().values() for message in _messages(crd.schema["properties"]["spec"])}
    messages |= {rule["message"] for crd in our_crds().values() for rule in crd.schema["x-kubernetes-validations"]}
    broken = {message for row in ROWS for message in refusals(row)}
    assert messages - broken == set()


def _messages(schema: Object) -> set[str]:
    found = {rule["message"] for rule in schema.get("x-kubernetes-validations", ())}
    children = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return found.union(*(_messages(child) for child in children if child))
