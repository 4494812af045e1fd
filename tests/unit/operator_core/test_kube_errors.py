"""What the API server's answers stand for."""

import pytest

from edgeglm_operator.kube.errors import (
    Conflict,
    Forbidden,
    InternalError,
    Invalid,
    KubeError,
    NotFound,
    Unavailable,
    error_of,
)
from edgeglm_operator.kube.kinds import CONFIG_MAPS, DEPLOYMENTS, INFERENCE_SERVICES, NODES, kind_of


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (404, NotFound),
        (409, Conflict),
        (403, Forbidden),
        (400, Invalid),
        (422, Invalid),
        (401, Unavailable),
        (500, InternalError),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
def test_each_status_is_one_class(status: int, expected: type[KubeError]) -> None:
    assert type(error_of(status, {"message": "m"})) is expected


def test_invalid_tells_the_field() -> None:
    error = error_of(422, {"message": "m", "details": {"causes": [{"field": "spec.replicas", "message": "x"}]}})

    assert isinstance(error, Invalid)
    assert error.field == "spec.replicas"


def test_forbidden_tells_the_missing_rule() -> None:
    error = error_of(403, {"message": "no"}, verb="patch", resource="edgesites/status")

    assert isinstance(error, Forbidden)
    assert (error.verb, error.resource) == ("patch", "edgesites/status")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (CONFIG_MAPS.path("ns", "name"), "/api/v1/namespaces/ns/configmaps/name"),
        (CONFIG_MAPS.path(), "/api/v1/configmaps"),
        (DEPLOYMENTS.path("ns"), "/apis/apps/v1/namespaces/ns/deployments"),
        (NODES.path("", "box"), "/api/v1/nodes/box"),
        (NODES.path("ignored", "box"), "/api/v1/nodes/box"),
        (
            INFERENCE_SERVICES.path("ns", "llm", "status"),
            "/apis/edgeglm.io/v1alpha1/namespaces/ns/inferenceservices/llm/status",
        ),
    ],
)
def test_a_kind_knows_its_paths(path: str, expected: str) -> None:
    assert path == expected


def test_a_manifest_names_its_kind() -> None:
    assert kind_of("apps/v1", "Deployment") is DEPLOYMENTS
