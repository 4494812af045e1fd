"""What the pods of a Deployment follow from, and that they stay when nothing of it changes."""

import base64
import zlib
from typing import Any

import pytest

from edgeglm_api import labels
from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.inference_service import InferenceService
from edgeglm_api.model import read
from edgeglm_operator.observed import deployment_from
from edgeglm_operator.reconcile.kept_template import as_before, keeping_template, template_of
from edgeglm_operator.reconcile.revision import pack, repack, revision_of, with_revision
from edgeglm_operator.resources.agent_deployment import make_agent_deployment
from edgeglm_operator.resources.agent_secrets import NO_SECRETS, AgentSecrets
from edgeglm_operator.resources.asked import asked_at_site
from edgeglm_operator.resources.edge_deployment import make_edge_deployment
from edgeglm_operator.resources.endpoint_secrets import EndpointSecret
from edgeglm_operator.settings import Settings
from tests.reconcile.builders import an_edge_site, an_edge_target, an_inference_service

Manifest = dict[str, Any]

OLD, NEW = Settings(), Settings(engine_image="new/engine", agent_image="new/agent", operator_image="new/operator")


def service(spec: dict[str, Any] | None = None, **target: Any) -> InferenceService:
    return read(an_inference_service(edge=[an_edge_target("box-1") | target], **(spec or {})), InferenceService)


def at_site(settings: Settings, asked: InferenceService | None = None) -> Manifest:
    asked = asked or service()
    return make_edge_deployment(asked, asked.spec.edge[0], "box-1", settings)


def agent(settings: Settings, secrets: AgentSecrets = NO_SECRETS, **site: Any) -> Manifest:
    return make_agent_deployment(read(an_edge_site("box-1", "box-1", **site), EdgeSite), settings, secrets)


@pytest.mark.parametrize("make", [at_site, agent])
def test_pods_stay_as_they_were_made(make: Any) -> None:
    first = keeping_template(make(OLD), None)
    second = keeping_template(make(NEW), deployment_from(first))

    assert second == first
    assert make(NEW)["spec"]["template"] != make(OLD)["spec"]["template"]


def test_whose_turn_is_later_keeps_the_pods_and_the_notes_of_before() -> None:
    before = keeping_template(at_site(OLD), None)
    asked = at_site(NEW, service({"engine": {"maxModelLen": 1024}}))
    assert as_before(asked, deployment_from(before)) == before


def test_without_the_note_of_what_it_was_made_for_a_template_is_nobody_s_to_keep() -> None:
    """As when somebody took it away by hand: such a site does not wait, it is made as it is asked for."""
    made = keeping_template(at_site(OLD), None)
    annotations = {key: value for key, value in made["metadata"]["annotations"].items() if key != labels.SPEC_HASH}
    live = deployment_from({**made, "metadata": {**made["metadata"], "annotations": annotations}})
    assert template_of(deployment_from(made)) == made["spec"]["template"]
    assert template_of(live) is None


def test_what_is_asked_anew_is_made_as_this_release_makes_it() -> None:
    live = deployment_from(keeping_template(at_site(OLD), None))
    made = at_site(NEW, service({"engine": {"maxModelLen": 1024}}))

    assert keeping_template(made, live)["spec"]["template"] == with_revision(made["spec"]["template"])


@pytest.mark.parametrize(
    "other",
    [
        agent(OLD, AgentSecrets(keys=("key",))),
        agent(OLD, AgentSecrets(endpoints=(EndpointSecret("keys", "hub", ("api",)),))),
        agent(OLD, receive="Batches"),
        agent(OLD, endpointHosts=["127.0.0.1"]),
    ],
    ids=["a service's key", "an endpoint's key", "way of messages", "hosts"],
)
def test_an_agent_of_which_something_else_is_asked_is_made_anew(other: Manifest) -> None:
    live = deployment_from(keeping_template(agent(OLD), None))

    assert revision_of(keeping_template(other, live)["spec"]["template"]) != revision_of(
        keeping_template(agent(OLD), live)["spec"]["template"]
    )


@pytest.mark.parametrize("text", ["", "spoiled"])
def test_whoever_takes_the_note_away_gets_the_pods_of_this_release(text: str) -> None:
    first = keeping_template(at_site(OLD), None)
    first["metadata"]["annotations"][labels.TEMPLATE] = text

    second = keeping_template(at_site(NEW), deployment_from(first))

    assert second["spec"]["template"] == with_revision(at_site(NEW)["spec"]["template"])


@pytest.mark.parametrize(
    ("spec", "target"),
    [
        ({"suspend": True}, {}),
        ({"cloud": {"replicas": 3}}, {}),
        ({"verification": {"concurrency": 4}}, {}),
        ({}, {"sites": {"nodeNames": ["box-1", "box-2"]}}),
        ({}, {"accelerator": {"resource": "nvidia.com/gpu", "memory": "24Gi"}}),
    ],
    ids=["suspended", "in the cloud too", "verified", "at more sites", "memory for the fit check"],
)
def test_what_no_pod_of_it_follows_from_asks_for_no_other(spec: dict[str, Any], target: dict[str, Any]) -> None:
    plain = service({}, **({"accelerator": {"resource": "nvidia.com/gpu"}} if "accelerator" in target else {}))
    other = service(spec, **target)

    assert asked_at_site(other, other.spec.edge[0]) == asked_at_site(plain, plain.spec.edge[0])


@pytest.mark.parametrize(
    ("spec", "target"),
    [
        ({"model": {"uri": "hf://owner/other"}}, {}),
        ({"engine": {"extraArgs": ["--enforce-eager"]}}, {}),
        ({"auth": {"apiKeySecretRef": {"name": "keys", "key": "llm"}}}, {}),
        ({"timeouts": {"drainSeconds": 5}}, {}),
        ({}, {"port": 8001}),
        ({}, {"resources": {"limits": {"memory": "1Gi"}}}),
        ({}, {"download": {"maxBytesPerSecond": 1000}}),
    ],
    ids=["model", "arguments", "key", "drain", "port", "resources", "download"],
)
def test_what_its_pods_follow_from_asks_for_others(spec: dict[str, Any], target: dict[str, Any]) -> None:
    plain, other = service(), service(spec, **target)

    assert asked_at_site(other, other.spec.edge[0]) != asked_at_site(plain, plain.spec.edge[0])


def test_another_compressor_writes_no_other_note() -> None:
    template = with_revision(agent(OLD)["spec"]["template"])
    theirs = base64.b64encode(zlib.compress(zlib.decompress(base64.b64decode(pack(template))), 1)).decode()

    assert theirs != pack(template)
    assert repack(template, theirs) == theirs
    assert repack(template, "") == pack(template)
