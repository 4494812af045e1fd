"""From SensorGraphs to one site's bundle: what goes in, in which order, and what is left out and why."""

from typing import Any

import pytest

from edgeglm_api.bundle import MAX_BYTES, Commands, decode, digest, encode
from edgeglm_api.edge_site import BundleStatus
from edgeglm_api.sensor_graph import SensorGraph
from edgeglm_operator.reconcile.compile import compile_bundle, renumbered
from edgeglm_operator.reconcile.topology import Topologies
from edgeglm_operator.resources.agent_keys import secrets_of
from edgeglm_operator.resources.agent_secrets import NO_SECRETS, AgentSecrets, agent_secrets_of
from edgeglm_operator.resources.broker_secrets import BrokerSecret, broker_secrets_of
from edgeglm_operator.resources.endpoint_secrets import EndpointSecret
from tests.unit.operator.builders import a_node, a_sensor_graph, a_target, an_edge_site, an_inference_service

BOTH = an_inference_service(
    model={"uri": "hf://a/b", "name": "glm"},
    cloud={"externalURL": "https://llm.example:8443"},
    edge=[a_target(port=8004, model={"uri": "file:///srv/x"})],
)
EDGE_ONLY = an_inference_service(edge=[a_target()])
CLOUD_ONLY = an_inference_service(cloud={"externalURL": "https://llm.example"})
MEASURED = [{"property": "rms", "path": "$.rms"}]
NOWHERE = an_inference_service(cloud={}, edge=[a_target(nodes=("box-9",))])


@pytest.mark.parametrize(
    ("route", "order"),
    [
        ("PreferEdge", ["llm-edge", "llm-cloud"]),
        ("PreferCloud", ["llm-cloud", "llm-edge"]),
        ("Escalate", ["llm-edge", "llm-cloud"]),
        ("EdgeOnly", ["llm-edge"]),
        ("CloudOnly", ["llm-cloud"]),
    ],
)
def test_the_route_gives_the_order_of_endpoints(route: str, order: list[str]) -> None:
    graph = a_sensor_graph(reasoning={"serviceRef": {"name": "llm"}, "route": route})
    bundle, refusals = compile_bundle(an_edge_site(), a_node(), [graph], [BOTH])
    assert refusals == {}
    assert list(bundle.graphs[0].reasoning.endpoints) == order
    assert sorted(endpoint.name for endpoint in bundle.endpoints) == sorted(order)


def test_a_cloud_behind_authorities_of_one_s_own_is_trusted_by_the_agents_that_ask_there() -> None:
    trusted = {"externalURL": "https://llm.example", "caSecretRef": {"name": "ca.plant"}}
    service = an_inference_service(cloud=trusted, edge=[a_target()])
    bundle, _ = compile_bundle(an_edge_site(), a_node(), [a_sensor_graph()], [service])
    cloud, edge = bundle.endpoints
    assert (cloud.ca_file, edge.ca_file) == ("/etc/edgeglm/endpoints/trust/ca.plant/ca.crt", None)
    assert agent_secrets_of(bundle).endpoints == (EndpointSecret("trust", "ca.plant", ("ca.crt",)),)


def test_a_graph_that_is_tried_speaks_aside_asks_last_and_is_commanded_by_nobody() -> None:
    commands = {"topic": "ops/line", "keySecretRef": {"name": "ops", "key": "hmac"}}
    wishes: dict[str, Any] = {
        "reasoning": {"serviceRef": {"name": "llm"}, "priority": "High"},
        "findings": {"commands": commands},
        "output": {"topic": "insights/{graph}/{partition}", "retain": True},
    }
    in_use, tried = (a_sensor_graph(name, mode=mode, **wishes) for name, mode in (("a", "Active"), ("b", "Shadow")))
    bundle, refusals = compile_bundle(an_edge_site(), a_node(), [in_use, tried], [BOTH])
    assert refusals == {}
    first, second = bundle.graphs
    assert (first.output.topic, first.output.retain, first.reasoning.priority) == (
        wishes["output"]["topic"],
        True,
        "High",
    )
    assert (second.output.topic, second.output.retain, second.reasoning.priority) == (
        "shadow/insights/{graph}/{partition}",
        False,
        "Low",
    )
    assert (first.commands is None, second.commands) == (False, None)
    assert second.question == first.question


def test_endpoints_say_where_what_and_with_which_key() -> None:
    service = an_inference_service(
        model={"uri": "hf://a/b", "name": "glm"},
        auth={"apiKeySecretRef": {"name": "keys", "key": "llm"}},
        cloud={"externalURL": "https://llm.example:8443"},
        edge=[a_target(port=8004)],
    )
    bundle, _ = compile_bundle(an_edge_site(), a_node(), [a_sensor_graph()], [service])
    cloud, edge = bundle.endpoints
    assert (cloud.place, cloud.url, cloud.model) == ("Cloud", "https://llm.example:8443/v1", "glm")
    assert (edge.place, edge.url, edge.model) == ("Edge", "http://127.0.0.1:8004/v1", "glm")
    assert cloud.key_file == edge.key_file == "/etc/edgeglm/keys/keys/llm"
    assert secrets_of(bundle) == ("keys",)


def test_commands_say_where_they_come_in_and_with_which_key() -> None:
    commands = {"topic": "commands/{graph}", "keySecretRef": {"name": "people", "key": "hmac"}}
    graph = a_sensor_graph(findings={"commands": commands, "clearAfterWindows": 2})
    bundle, refusals = compile_bundle(an_edge_site(), a_node(), [graph], [BOTH])
    assert refusals == {}
    (compiled,) = bundle.graphs
    assert compiled.commands == Commands(topic="commands/line-1", key_file="/etc/edgeglm/keys/people/hmac")
    assert (compiled.findings.commands, compiled.findings.clear_after_windows) == (None, 2)
    assert secrets_of(bundle) == ("people",)


def test_commands_on_a_topic_of_others_are_refused() -> None:
    for topic, where in (
        ("insights/x", "spec.output.topic"),
        ("plant/l1/m1/vibration", "spec.sources[vibration].topic"),
    ):
        commands = {"topic": topic, "keySecretRef": {"name": "people", "key": "hmac"}}
        graph = a_sensor_graph(findings={"commands": commands}, output={"topic": "insights/{partition}"})
        _, refusals = compile_bundle(an_edge_site(), a_node(), [graph], [BOTH])
        assert refusals["line-1"].reason == "TopicOverlap"
        assert f"spec.findings.commands.topic {topic} can meet {where}" in refusals["line-1"].message


@pytest.mark.parametrize(
    ("service", "route", "cure"),
    [
        (EDGE_ONLY, "CloudOnly", "a spec.cloud.externalURL that sites can reach"),
        (CLOUD_ONLY, "EdgeOnly", "an edge target that selects node box-1"),
        (NOWHERE, "PreferEdge", "an edge target that selects node box-1 or a spec.cloud.externalURL"),
    ],
)
def test_a_graph_without_anybody_to_ask_is_refused_with_the_cure(service: Any, route: str, cure: str) -> None:
    graph = a_sensor_graph(reasoning={"serviceRef": {"name": "llm"}, "route": route})
    _, refusals = compile_bundle(an_edge_site(), a_node(), [graph], [service])
    assert refusals["line-1"].reason == "NoEndpoint"
    assert f"spec.reasoning.route is {route}, and InferenceService llm has nothing" in refusals["line-1"].message
    assert cure in refusals["line-1"].message


def test_an_endpoint_says_whether_its_engine_goes_by_priority() -> None:
    """The target's settings win over the service's; the cloud has the service's own."""
    service = an_inference_service(
        engine={"scheduling": {"policy": "Priority"}},
        cloud={"externalURL": "https://llm.example"},
        edge=[a_target(engine={"scheduling": {"policy": "FCFS"}})],
    )
    bundle, _ = compile_bundle(an_edge_site(), a_node(), [a_sensor_graph()], [service])
    assert {each.place: each.scheduling for each in bundle.endpoints} == {"Cloud": "Priority", "Edge": "FCFS"}


def test_the_priority_of_a_graph_reaches_the_site_and_the_usual_one_changes_no_digest() -> None:
    usual, _ = compile_bundle(an_edge_site(), a_node(), [a_sensor_graph()], [EDGE_ONLY])
    graph = a_sensor_graph(reasoning={"serviceRef": {"name": "llm"}, "priority": "High"})
    high, _ = compile_bundle(an_edge_site(), a_node(), [graph], [EDGE_ONLY])
    assert high.graphs[0].reasoning.priority == "High"
    assert b"priority" not in encode(usual)
    assert b"scheduling" not in encode(usual)


STATES = {
    "name": "mode",
    "kind": "State",
    "topic": "plant/{machine}/mode",
    "entity": {"type": "Machine", "id": "{machine}"},
    "measurements": [{"property": "mode", "path": "$.mode", "type": "Enum"}],
}


def a_graph_with_words(policy: str | None, route: str) -> SensorGraph:
    given = {} if policy is None else {"dataPolicy": {"cloud": policy}}
    return a_sensor_graph(sources=[STATES], reasoning={"serviceRef": {"name": "llm"}, "route": route, **given})


@pytest.mark.parametrize(
    ("policy", "route", "order"),
    [
        ("Never", "PreferEdge", ["llm-edge"]),
        ("Pseudonymised", "PreferEdge", ["llm-edge", "llm-cloud"]),
        ("Allowed", "PreferCloud", ["llm-cloud", "llm-edge"]),
        (None, "PreferEdge", ["llm-edge"]),
        (None, "PreferCloud", ["llm-edge"]),
    ],
)
def test_where_nothing_may_leave_the_cloud_is_no_choice(policy: str | None, route: str, order: list[str]) -> None:
    """Older agents know nothing of policies: they do not get to know the cloud either."""
    bundle, refusals = compile_bundle(an_edge_site(), a_node(), [a_graph_with_words(policy, route)], [BOTH])
    assert refusals == {}
    assert list(bundle.graphs[0].reasoning.endpoints) == order
    assert sorted(endpoint.name for endpoint in bundle.endpoints) == sorted(order)
    assert (b"dataPolicy" in encode(bundle)) is (policy is not None)


@pytest.mark.parametrize(
    ("policy", "route", "why"),
    [
        ("Never", "PreferEdge", "spec.reasoning.dataPolicy.cloud is Never"),
        (None, "CloudOnly", "spec.reasoning.dataPolicy is absent, which means cloud: Never, as source mode has words"),
    ],
)
def test_a_graph_that_only_the_cloud_could_answer_and_may_not_is_refused(
    policy: str | None, route: str, why: str
) -> None:
    _, refusals = compile_bundle(an_edge_site(), a_node(), [a_graph_with_words(policy, route)], [CLOUD_ONLY])
    refused = refusals["line-1"]
    assert refused.reason == "DataStaysAtSite"
    assert "InferenceService llm can be asked from node box-1 in the cloud only" in refused.message
    assert why in refused.message
    assert "Pseudonymised or Allowed there, or give it an edge target that selects node box-1" in refused.message


def test_a_service_that_is_not_there_is_named() -> None:
    _, refusals = compile_bundle(an_edge_site(), a_node(), [a_sensor_graph()], [])
    assert refusals["line-1"].reason == "InferenceServiceNotFound"
    assert "there is no InferenceService plant/llm" in refusals["line-1"].message


def test_graphs_with_adapters_of_their_own_share_one_engine() -> None:
    """Its width, its health and its verification are those of one endpoint; only the name that is asked for differs."""
    model = {"uri": "hf://a/b", "adapters": [{"name": f"line-{at}", "uri": f"hf://a/line-{at}"} for at in (1, 2)]}
    service = an_inference_service(model=model, cloud={}, edge=[a_target()])
    graphs = [
        a_sensor_graph(
            f"graph-{adapter}",
            reasoning={"serviceRef": {"name": "llm", **({"adapter": adapter} if adapter else {})}, "route": "EdgeOnly"},
            output={"topic": f"told/{adapter}"},
        )
        for adapter in ("line-1", "line-2", "")
    ]
    bundle, refusals = compile_bundle(an_edge_site(), a_node(), graphs, [service])
    assert refusals == {}
    assert [(each.name, each.model) for each in bundle.endpoints] == [("llm-edge", "llm")]
    assert {graph.name: graph.reasoning.adapter for graph in bundle.graphs} == {
        "graph-": None,
        "graph-line-1": "line-1",
        "graph-line-2": "line-2",
    }


@pytest.mark.parametrize(("adapters", "has"), [([], "it has none"), ([{"name": "a", "uri": "hf://a/l"}], "it has a")])
def test_an_adapter_that_is_not_there_is_named(adapters: list[dict[str, str]], has: str) -> None:
    service = an_inference_service(model={"uri": "hf://a/b", "adapters": adapters}, edge=[a_target()])
    graph = a_sensor_graph(reasoning={"serviceRef": {"name": "llm", "adapter": "line-9"}})
    _, refusals = compile_bundle(an_edge_site(), a_node(), [graph], [service])
    assert refusals["line-1"].reason == "AdapterNotFound"
    assert (
        f"InferenceService llm has no adapter line-9 in its spec.model.adapters ({has})" in refusals["line-1"].message
    )


@pytest.mark.parametrize(
    ("url", "place"), [("http://127.0.0.1:9000/v1", "Edge"), ("http://localhost/v1", "Edge"), ("https://h/v1", "Cloud")]
)
def test_an_endpoint_of_the_users_own_is_at_the_edge_only_on_loopback(url: str, place: str) -> None:
    graph = a_sensor_graph(reasoning={"endpoint": {"url": url, "model": "m"}})
    bundle, _ = compile_bundle(an_edge_site(), a_node(), [graph], [])
    (endpoint,) = bundle.endpoints
    assert (endpoint.name, endpoint.url, endpoint.model, endpoint.place) == ("line-1-endpoint", url, "m", place)


def test_what_an_endpoint_charges_and_allows_reaches_the_site() -> None:
    limits = {"requestsPerMinute": 60, "tokensPerMinute": 9000}
    given = {"url": "https://h/v1", "model": "m", "metered": True, "limits": limits}
    bundle, _ = compile_bundle(an_edge_site(), a_node(), [a_sensor_graph(reasoning={"endpoint": given})], [])
    (endpoint,) = bundle.endpoints
    assert (endpoint.metered, endpoint.requests_per_minute, endpoint.tokens_per_minute) == (True, 60, 9000)


@pytest.mark.parametrize(
    ("hosts", "route", "refused"),
    [
        (None, "PreferEdge", False),
        (["127.0.0.1", "llm.example:8443"], "PreferEdge", False),
        (["127.0.0.1"], "EdgeOnly", False),
        (["127.0.0.1"], "PreferEdge", True),
        (["llm.example"], "PreferEdge", True),
        (["127.0.0.1:8000"], "EdgeOnly", True),
    ],
)
def test_with_pinned_hosts_no_graph_may_ask_elsewhere(hosts: list[str] | None, route: str, *, refused: bool) -> None:
    graph = a_sensor_graph(reasoning={"serviceRef": {"name": "llm"}, "route": route})
    site = an_edge_site(endpointHosts=hosts)
    bundle, refusals = compile_bundle(site, a_node(), [graph], [BOTH])
    assert ([graph.name for graph in bundle.graphs], bool(refusals)) == ([] if refused else ["line-1"], refused)
    if refused:
        assert refusals["line-1"].reason == "EndpointNotPinned"
        assert "is not among spec.endpointHosts of EdgeSite box-1; name it there" in refusals["line-1"].message


def test_parameters_of_the_site_are_filled_in() -> None:
    graph = a_sensor_graph(broker={"url": "mqtt://${site.broker}:${site.port}", "sessionExpirySeconds": 60})
    site = an_edge_site(parameters={"broker": "10.0.0.5", "port": "1884"})
    bundle, _ = compile_bundle(site, a_node(), [graph], [EDGE_ONLY])
    assert bundle.graphs[0].broker.url == "mqtt://10.0.0.5:1884"
    assert bundle.graphs[0].broker.session_expiry_seconds == 60


@pytest.mark.parametrize(
    ("parameters", "reason", "says"),
    [
        ({}, "UnresolvedParameter", "set its spec.parameters.broker"),
        ({"broker": "host/evil"}, "InvalidBroker", "'mqtt://host/evil'"),
        ({"broker": "user:secret@host"}, "InvalidBroker", "mqtt://HOST"),
        ({"broker": "h\n"}, "InvalidBroker", "mqtt://HOST"),
    ],
)
def test_a_parameter_that_does_not_fit_refuses_that_graph_only(
    parameters: dict[str, str], reason: str, says: str
) -> None:
    bad = a_sensor_graph("bad", broker={"url": "mqtt://${site.broker}"})
    bundle, refusals = compile_bundle(
        an_edge_site(parameters=parameters), a_node(), [bad, a_sensor_graph("good")], [EDGE_ONLY]
    )
    assert [graph.name for graph in bundle.graphs] == ["good"]
    assert refusals["bad"].reason == reason
    assert says in refusals["bad"].message


TLS = {"url": "mqtts://h:8883", "caSecretRef": {"name": "ca.plant"}, "secretRef": {"name": "me"}}


def test_secrets_of_a_broker_become_files_at_the_site() -> None:
    bundle, refusals = compile_bundle(an_edge_site(), a_node(), [a_sensor_graph(broker=TLS)], [EDGE_ONLY])
    assert refusals == {}
    broker = bundle.graphs[0].broker
    assert (broker.url, broker.ca_file, broker.credentials) == (
        "mqtts://h:8883",
        "/etc/edgeglm/brokers/trust/ca.plant/ca.crt",
        "/etc/edgeglm/brokers/credentials/me",
    )
    assert broker_secrets_of(bundle) == (BrokerSecret("credentials", "me"), BrokerSecret("trust", "ca.plant"))


def an_own_endpoint(key: str) -> dict[str, Any]:
    secrets = {"secretRef": {"name": "hub", "key": key}, "caSecretRef": {"name": "ca.plant"}}
    return {"endpoint": {"url": "https://127.0.0.1:8443/v1", "model": "big", **secrets}}


def test_secrets_of_an_endpoint_become_files_at_the_site() -> None:
    """Of a Secret with many keys, the agent sees those that endpoints name."""
    graphs = [a_sensor_graph(name, reasoning=an_own_endpoint(name)) for name in ("two", "one")]
    bundle, refusals = compile_bundle(an_edge_site(), a_node(), graphs, [])
    assert refusals == {}
    assert [(each.name, each.key_file, each.ca_file) for each in bundle.endpoints] == [
        (f"{name}-endpoint", f"/etc/edgeglm/endpoints/keys/hub/{name}", "/etc/edgeglm/endpoints/trust/ca.plant/ca.crt")
        for name in ("one", "two")
    ]
    assert agent_secrets_of(bundle) == AgentSecrets(
        endpoints=(EndpointSecret("keys", "hub", ("one", "two")), EndpointSecret("trust", "ca.plant", ("ca.crt",)))
    )


def test_an_endpoint_without_secrets_is_told_as_before() -> None:
    graph = a_sensor_graph(reasoning={"endpoint": {"url": "http://127.0.0.1:9000/v1", "model": "tiny"}})
    bundle, _ = compile_bundle(an_edge_site(), a_node(), [graph], [])
    assert b"File" not in encode(bundle)
    assert agent_secrets_of(bundle) == NO_SECRETS


def test_two_graphs_that_reach_one_broker_in_two_ways_cannot_both_run() -> None:
    other = {**TLS, "secretRef": {"name": "another"}}
    graphs = [a_sensor_graph("first", broker=TLS), a_sensor_graph("second", broker=other)]
    bundle, refusals = compile_bundle(an_edge_site(), a_node(), graphs, [EDGE_ONLY])
    assert [graph.name for graph in bundle.graphs] == ["first"]
    assert refusals["second"].reason == "BrokerConflict"
    assert "name the same caSecretRef and secretRef" in refusals["second"].message


@pytest.mark.parametrize("listener_is_older", [True, False])
def test_of_two_graphs_of_which_one_hears_the_other_the_older_stays(*, listener_is_older: bool) -> None:
    """Whoever came later is refused, so that a new graph never stops one that runs."""
    hears = {"name": "x", "topic": "insights/{a}/{b}", "entity": {"type": "M", "id": "{a}"}, "measurements": MEASURED}
    times = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    speaker = a_sensor_graph("speaker", created=times[listener_is_older])
    listener = a_sensor_graph(
        "listener", sources=[hears], output={"topic": "out"}, created=times[not listener_is_older]
    )
    bundle, refusals = compile_bundle(an_edge_site(), a_node(), [speaker, listener], [EDGE_ONLY])
    stays, goes = ("listener", "speaker") if listener_is_older else ("speaker", "listener")
    assert [graph.name for graph in bundle.graphs] == [stays]
    assert refusals[goes].reason == "TopicOverlap"
    assert refusals[goes].message.startswith(
        "spec.output.topic insights/{graph}/{partition} of SensorGraph speaker can meet spec.sources[x].topic"
        " insights/{a}/{b} of SensorGraph listener on the same broker"
    )
    elsewhere = a_sensor_graph("listener", sources=[hears], broker={"url": "mqtt://other"}, output={"topic": "out"})
    assert compile_bundle(an_edge_site(), a_node(), [speaker, elsewhere], [EDGE_ONLY]).refusals == {}


def test_a_graph_that_is_refused_anyway_stands_in_nobodys_way() -> None:
    hears = {"name": "x", "topic": "insights/{a}/{b}", "entity": {"type": "M", "id": "{a}"}, "measurements": MEASURED}
    older = a_sensor_graph("older", sources=[hears], output={"topic": "o"}, derived=[{"property": "p", "expr": "none"}])
    bundle, refusals = compile_bundle(an_edge_site(), a_node(), [older, a_sensor_graph(created="2026")], [EDGE_ONLY])
    assert [graph.name for graph in bundle.graphs] == ["line-1"]
    assert refusals["older"].reason == "InvalidDerived"


def test_a_graph_that_makes_the_bundle_too_large_is_left_out_and_smaller_ones_go_on() -> None:
    nodes = [{"id": f"machine-{number}", "type": "Machine", "label": "x" * 100} for number in range(256)]
    graphs = [a_sensor_graph(f"g{number}", topology={"nodes": nodes}) for number in range(5)]
    bundle, refusals = compile_bundle(an_edge_site(), a_node(), [*graphs, a_sensor_graph("small")], [EDGE_ONLY])
    assert len(encode(bundle)) <= MAX_BYTES
    assert [graph.name for graph in bundle.graphs] == ["g0", "g1", "g2", "small"]
    assert {name: refused.reason for name, refused in refusals.items()} == {
        "g3": "BundleTooLarge",
        "g4": "BundleTooLarge",
    }
    assert f"{MAX_BYTES} is the most" in refusals["g3"].message


def test_the_bundle_does_not_depend_on_the_order_in_which_things_are_seen() -> None:
    graphs = [a_sensor_graph("b"), a_sensor_graph("a", reasoning={"endpoint": {"url": "https://h/v1", "model": "m"}})]
    site = an_edge_site(maxConcurrency=1, spool={"maxBytes": 1 << 24})
    services = [BOTH, an_inference_service("other")]
    one, _ = compile_bundle(site, a_node(), graphs, services)
    other, _ = compile_bundle(site, a_node(), graphs[::-1], services[::-1])
    assert encode(one) == encode(other)
    assert decode(encode(other)) == other
    assert (other.limits.max_concurrency, other.limits.spool_max_bytes) == (1, 1 << 24)
    assert (other.site, other.namespace, other.site_uid) == ("box-1", "plant", site.metadata.uid)


def test_what_a_site_says_of_its_spool_is_in_its_bundle_and_what_it_does_not_say_is_not() -> None:
    """Defaults are left out, so that an operator that learns a field changes no bundle."""
    spool = {"maxAgeSeconds": 86400, "onFull": "DropOldest", "sync": "Normal"}
    said, _ = compile_bundle(an_edge_site(spool=spool), a_node(), [], [])
    unsaid, _ = compile_bundle(an_edge_site(), a_node(), [], [])
    assert said.limits.spool_max_age_seconds == 86400
    assert (said.limits.spool_on_full, said.limits.spool_sync) == ("DropOldest", "Normal")
    assert b"spoolOnFull" in encode(said)
    assert b"spoolOnFull" not in encode(unsaid)


def test_a_suspended_graph_is_left_out_and_nobody_is_to_blame() -> None:
    bundle, refusals = compile_bundle(
        an_edge_site(), a_node(), [a_sensor_graph("line-1", suspend=True), a_sensor_graph("line-2")], [BOTH]
    )
    assert [graph.name for graph in bundle.graphs] == ["line-2"]
    assert refusals == {}


def test_a_derived_property_that_cannot_be_is_refused_there_and_not_at_the_site() -> None:
    for expr, problem in (
        ("rms - pressure", "which no source measures"),
        ("rms -", "breaks off"),
        ("rms - mean(feeds.rms)", "the relation 'feeds', which no source and no topology has"),
    ):
        graph = a_sensor_graph(derived=[{"property": "x", "expr": expr}])
        refused = compile_bundle(an_edge_site(), a_node(), [graph], [EDGE_ONLY]).refusals["line-1"]
        assert refused.reason == "InvalidDerived"
        assert refused.message.startswith("spec.derived[0].expr: ")
        assert problem in refused.message


def test_a_derived_property_follows_relations_of_sources_topology_and_devices() -> None:
    station = {"nodes": [{"id": "a", "type": "A"}], "edges": [{"source": "a", "target": "a", "type": "feeds"}]}
    devices = {"devices": {"relations": [{"type": "feeds", "to": {"type": "Bus", "idFromLabel": "bus"}}]}}
    said = [{"type": "partOf", "to": {"type": "Line", "id": "{line}"}}]
    machines = {"name": "x", "topic": "{line}/{m}", "entity": {"type": "M", "id": "{m}"}, "measurements": MEASURED}
    sources = [{**machines, "relations": said}]
    for expr, topology in (("mean(^partOf.rms)", {}), ("max(feeds.rms)", station), ("count(feeds)", devices)):
        graph = a_sensor_graph(sources=sources, derived=[{"property": "y", "expr": expr}], topology=topology)
        compiled = compile_bundle(an_edge_site(), a_node(), [graph], [EDGE_ONLY], Topologies(devices=()))
        assert compiled.refusals == {}
        assert compiled.bundle.graphs[0].derived[0].expr == expr


def test_the_generation_counts_contents() -> None:
    bundle, _ = compile_bundle(an_edge_site(), a_node(), [a_sensor_graph()], [EDGE_ONLY])
    first = renumbered(bundle, None)
    assert first.generation == 1
    same = renumbered(bundle, BundleStatus(generation=7, sha256=digest(bundle), graphs=1))
    assert same.generation == 7
    changed = renumbered(bundle, BundleStatus(generation=7, sha256="other", graphs=1))
    assert changed.generation == 8
    assert digest(changed) == digest(first)
