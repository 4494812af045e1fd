"""An object as an API server has stored it, held against our own CRDs: those there may be of another release."""

from collections.abc import Mapping
from typing import Any

from edgeglm_operator.offline.cel_check import rule_faults
from edgeglm_operator.offline.crds import our_crds
from edgeglm_operator.offline.defaults import with_defaults, without_unknown
from edgeglm_operator.offline.schema_check import schema_faults


def first_fault(kind: str, stored: Mapping[str, Any]) -> str | None:
    """What is wrong with an object; fields that we do not know are nothing wrong."""
    schema = our_crds()[kind].schema
    known = with_defaults(schema, without_unknown(schema, stored))
    path, message = next(iter(schema_faults(schema, known) or rule_faults(schema, known)), ("", None))
    return message and f"{path}: {message}"


def usable_status(kind: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The status as it may be written again; empty when another release wrote it."""
    status: dict[str, Any] = stored.get("status", {})
    return {} if schema_faults(our_crds()[kind].schema["properties"]["status"], status) else status
