"""What stands beside the cloud replicas as APIs come and go, and who says how many replicas there are."""

from typing import Any

import pytest

from edgeglm_api import labels
from edgeglm_operator.kube.errors import Forbidden, Unavailable
from edgeglm_operator.kube.kinds import (
    AUTOSCALERS,
    DEPLOYMENTS,
    HTTP_ROUTES,
    INFERENCE_POOLS,
    INFERENCE_SERVICES,
    INTERCEPTOR_ROUTES,
    POD_METRICS,
    POD_MONITORS,
    SCALED_OBJECTS,
    Kind,
)
from edgeglm_operator.settings import Settings
from tests.reconcile.builders import PLANT, Manifest, an_inference_service
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled

SETTINGS = Settings(prometheus_url="http://prometheus:9090")
FOLLOWS_LOAD = {"autoscaling": {"minReplicas": 2, "maxReplicas": 8}}
ROUTE: dict[str, Manifest] = {"httpRoute": {"parentRefs": [{"name": "public"}]}}
POOL = {"inferencePool": {"endpointPicker": {"name": "picker"}}}
MONITOR = {"podMonitor": True}
BY_REQUESTS = {"autoscaling": {"minReplicas": 2, "maxReplicas": 8, "scaleToZero": {"activator": "HTTPAddon"}}}
BY_SOMEBODY = {"autoscaling": {"minReplicas": 2, "maxReplicas": 8, "scaleToZero": {"activator": "External"}}}


@pytest.fixture
def cluster() -> InMemoryCluster:
    return InMemoryCluster()


async def test_with_keda_the_deployment_leaves_the_number_to_it(cluster: InMemoryCluster) -> None:
    cluster.offer(SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))
    await operated(cluster)

    assert "replicas" not in spec(cluster, DEPLOYMENTS)
    assert spec(cluster, SCALED_OBJECTS)["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "llm",
    }
    assert condition(cluster) == ("Unknown", "WaitingForAutoscaler")


async def test_an_autoscaler_takes_over_the_number_that_there_is_and_is_left_alone(cluster: InMemoryCluster) -> None:
    cluster.offer(SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud={"replicas": 5}))
    operator = await operated(cluster)
    asks(cluster, FOLLOWS_LOAD)
    await operator.settle()
    assert spec(cluster, DEPLOYMENTS)["replicas"] == 5

    scaled(cluster, 7)
    before = len(cluster.writes)
    await operator.look()

    assert spec(cluster, DEPLOYMENTS)["replicas"] == 7
    assert [write for write in cluster.writes[before:] if write[1] == "Deployment"] == []


async def test_the_autoscaler_begins_within_its_bounds(cluster: InMemoryCluster) -> None:
    """At zero, Kubernetes' own would never begin."""
    cluster.offer(POD_METRICS)
    cluster.put(an_inference_service(cloud={"replicas": 0}))
    operator = await operated(cluster)
    asks(cluster, FOLLOWS_LOAD)
    await operator.settle()

    assert spec(cluster, DEPLOYMENTS)["replicas"] == 2


async def test_a_number_that_is_asked_for_ends_the_autoscaling(cluster: InMemoryCluster) -> None:
    cluster.offer(SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))
    operator = await operated(cluster)
    scaled(cluster, 7)
    asks(cluster, {"replicas": 3})
    await operator.settle()

    assert spec(cluster, DEPLOYMENTS)["replicas"] == 3
    assert cluster.names(SCALED_OBJECTS) == []
    assert condition(cluster) is None

    asks(cluster, FOLLOWS_LOAD)
    await operator.settle()
    assert spec(cluster, DEPLOYMENTS)["replicas"] == 3


async def test_of_a_suspended_service_no_autoscaler_says_the_number(cluster: InMemoryCluster) -> None:
    """KEDA would bring back at once what rests."""
    cluster.offer(SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))
    operator = await operated(cluster)
    scaled(cluster, 7)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD, suspend=True))
    await operator.settle()

    assert spec(cluster, DEPLOYMENTS)["replicas"] == 0
    assert cluster.names(SCALED_OBJECTS) == []

    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD, suspend=False))
    await operator.settle()
    assert spec(cluster, DEPLOYMENTS)["replicas"] == 2
    assert cluster.names(SCALED_OBJECTS) == ["llm"]


async def test_without_an_autoscaler_there_are_as_few_as_may_be(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))
    await operated(cluster)

    assert spec(cluster, DEPLOYMENTS)["replicas"] == 2
    assert condition(cluster) == ("False", "NoAutoscaler")


async def test_keda_that_comes_later_is_used(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))
    operator = await operated(cluster)
    cluster.offer(SCALED_OBJECTS)
    await operator.look()

    assert cluster.names(SCALED_OBJECTS) == ["llm"]
    assert spec(cluster, DEPLOYMENTS)["replicas"] == 2
    assert annotations(cluster)[labels.SCALED_BY] == labels.AUTOSCALER


async def test_keda_that_vanishes_under_load_takes_no_replica_with_it(cluster: InMemoryCluster) -> None:
    cluster.offer(SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))
    operator = await operated(cluster)
    scaled(cluster, 6)
    await operator.settle()
    cluster.withdraw(SCALED_OBJECTS)
    await operator.look()

    assert spec(cluster, DEPLOYMENTS)["replicas"] == 6
    assert labels.SCALED_BY not in annotations(cluster)
    assert condition(cluster) == ("False", "NoAutoscaler")

    cluster.offer(SCALED_OBJECTS)
    await operator.look()
    assert spec(cluster, DEPLOYMENTS)["replicas"] == 6
    assert cluster.names(SCALED_OBJECTS) == ["llm"]


async def test_keda_without_the_address_of_prometheus_is_not_used(cluster: InMemoryCluster) -> None:
    cluster.offer(SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))
    await operated(cluster, Settings())

    assert cluster.names(SCALED_OBJECTS) == []
    assert condition(cluster) == ("False", "PrometheusNotConfigured")


async def test_where_nobody_wakes_them_replicas_do_not_stay_at_zero(cluster: InMemoryCluster) -> None:
    """Somebody scaled the Deployment by hand; from zero no autoscaler begins."""
    cluster.offer(SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))
    operator = await operated(cluster)
    scaled(cluster, 0)
    await operator.look()

    assert spec(cluster, DEPLOYMENTS)["replicas"] == 2


@pytest.mark.parametrize("offered", [SCALED_OBJECTS, POD_METRICS, AUTOSCALERS], ids=lambda kind: kind.name)
async def test_what_an_activator_of_the_user_s_own_ends_and_wakes_is_left_to_it(
    cluster: InMemoryCluster, offered: Kind
) -> None:
    """By KEDA, by Kubernetes' own autoscaler, and with neither."""
    cluster.offer(offered)
    cluster.put(an_inference_service(cloud=BY_SOMEBODY))
    operator = await operated(cluster)
    for number in (0, 3, 0):
        scaled(cluster, number)
        await operator.look()
        assert spec(cluster, DEPLOYMENTS)["replicas"] == number


async def test_keda_leaves_zero_to_an_activator_of_the_user_s_own(cluster: InMemoryCluster) -> None:
    """It would end what has been woken as long as no figures come from it."""
    cluster.offer(SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud=BY_SOMEBODY))
    await operated(cluster)

    asked = spec(cluster, SCALED_OBJECTS)
    assert (asked["minReplicaCount"], asked["idleReplicaCount"], asked["cooldownPeriod"]) == (2, 0, 2**31 - 1)
    assert condition(cluster, "ActivatorReady") is None


async def test_zero_is_handed_over_to_who_wakes_from_it(cluster: InMemoryCluster) -> None:
    cluster.offer(SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud={"replicas": 0}))
    operator = await operated(cluster)
    asks(cluster, BY_SOMEBODY)
    await operator.settle()
    assert spec(cluster, DEPLOYMENTS)["replicas"] == 0


async def test_kedas_add_on_wakes_by_requests_and_needs_no_prometheus(cluster: InMemoryCluster) -> None:
    cluster.offer(SCALED_OBJECTS, INTERCEPTOR_ROUTES)
    cluster.put(an_inference_service(cloud=BY_REQUESTS))
    await operated(cluster, Settings(http_addon_namespace="http"))

    (trigger,) = spec(cluster, SCALED_OBJECTS)["triggers"]
    assert trigger["metadata"] == {
        "scalerAddress": "keda-add-ons-http-external-scaler.http.svc:9090",
        "interceptorRoute": "llm",
    }
    assert spec(cluster, INTERCEPTOR_ROUTES)["rules"] == [{"hosts": ["llm.plant.svc"]}]
    assert condition(cluster, "ActivatorReady") == ("Unknown", "WaitingForActivator")


async def test_an_add_on_that_comes_and_goes_never_leaves_replicas_asleep(cluster: InMemoryCluster) -> None:
    """While it is away there is always one, and a route leads to the Service."""
    cluster.offer(SCALED_OBJECTS, HTTP_ROUTES)
    cluster.put(an_inference_service(cloud=BY_REQUESTS, routing=ROUTE))
    operator = await operated(cluster)
    assert condition(cluster, "ActivatorReady") == ("False", "HTTPAddonMissing")
    assert "idleReplicaCount" not in spec(cluster, SCALED_OBJECTS)
    assert backends(cluster) == [("Service", "llm")]

    cluster.offer(INTERCEPTOR_ROUTES)
    await operator.look()
    says(cluster, INTERCEPTOR_ROUTES, {"conditions": conditions({"Ready": "True"})})
    scaled(cluster, 0)
    await operator.look()
    assert condition(cluster, "ActivatorReady") == ("True", "Activating")
    assert spec(cluster, SCALED_OBJECTS)["idleReplicaCount"] == 0
    assert spec(cluster, DEPLOYMENTS)["replicas"] == 0
    assert backends(cluster) == [("Service", "keda-add-ons-http-interceptor-proxy")]

    cluster.withdraw(INTERCEPTOR_ROUTES)
    await operator.look()
    assert condition(cluster, "ActivatorReady") == ("False", "HTTPAddonMissing")
    assert "idleReplicaCount" not in spec(cluster, SCALED_OBJECTS)
    assert spec(cluster, DEPLOYMENTS)["replicas"] == 2
    assert backends(cluster) == [("Service", "llm")]


async def test_without_keda_its_add_on_wakes_nobody(cluster: InMemoryCluster) -> None:
    cluster.offer(INTERCEPTOR_ROUTES)
    cluster.put(an_inference_service(cloud={"replicas": 0}))
    operator = await operated(cluster)
    asks(cluster, BY_REQUESTS)
    await operator.settle()

    assert spec(cluster, DEPLOYMENTS)["replicas"] == 2
    assert condition(cluster) == ("False", "NoAutoscaler")


async def test_who_no_longer_asks_for_zero_has_no_activator(cluster: InMemoryCluster) -> None:
    cluster.offer(SCALED_OBJECTS, INTERCEPTOR_ROUTES)
    cluster.put(an_inference_service(cloud=BY_REQUESTS))
    operator = await operated(cluster)
    scaled(cluster, 0)
    cluster.put(an_inference_service(cloud={"autoscaling": {"scaleToZero": None}}))
    await operator.settle()

    assert cluster.names(INTERCEPTOR_ROUTES) == []
    assert "idleReplicaCount" not in spec(cluster, SCALED_OBJECTS)
    assert spec(cluster, DEPLOYMENTS)["replicas"] == 2
    assert condition(cluster, "ActivatorReady") is None


async def test_there_are_never_two_autoscalers(cluster: InMemoryCluster) -> None:
    """Kubernetes' own is used where an adapter serves pod metrics, until KEDA comes."""
    cluster.offer(POD_METRICS)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))
    operator = await operated(cluster)
    assert cluster.names(AUTOSCALERS) == ["llm"]
    assert "replicas" not in spec(cluster, DEPLOYMENTS)

    scaled(cluster, 4)
    cluster.offer(SCALED_OBJECTS)
    await operator.look()

    assert (cluster.names(SCALED_OBJECTS), cluster.names(AUTOSCALERS)) == (["llm"], [])
    assert spec(cluster, DEPLOYMENTS)["replicas"] == 4


async def test_the_autoscaler_that_keda_makes_is_kedas(cluster: InMemoryCluster) -> None:
    """KEDA copies the labels of its ScaledObject, ours among them."""
    cluster.offer(SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))
    operator = await operated(cluster)
    copied(cluster)
    await operator.look()
    before = len(cluster.requests)
    asks(cluster, {"autoscaling": {"maxReplicas": 9}})
    await operator.settle()

    assert cluster.names(AUTOSCALERS) == ["keda-hpa-llm"]
    assert ("list", AUTOSCALERS) not in [(verb, kind) for verb, kind, _ in cluster.requests[before:]]


OF_KEDA = (SCALED_OBJECTS, SCALED_OBJECTS)
OF_KUBERNETES = (POD_METRICS, AUTOSCALERS)


@pytest.mark.parametrize(
    ("whose", "said", "told"),
    [
        (OF_KEDA, {"Ready": "Unknown"}, ("Unknown", "WaitingForAutoscaler")),
        (OF_KEDA, {"Ready": "True", "Fallback": "False", "Paused": "False"}, ("True", "Scaling")),
        (OF_KEDA, {"Ready": "False", "Fallback": "Unknown"}, ("False", "AutoscalerFailing")),
        (OF_KEDA, {"Ready": "True", "Fallback": "True"}, ("False", "FallingBack")),
        (OF_KEDA, {"Ready": "True", "HPAActive": "False"}, ("False", "AutoscalerFailing")),
        (OF_KEDA, {"Ready": "True", "Paused": "True"}, ("False", "AutoscalerPaused")),
        (OF_KUBERNETES, {"AbleToScale": "True"}, ("Unknown", "WaitingForAutoscaler")),
        (OF_KUBERNETES, {"AbleToScale": "True", "ScalingActive": "True"}, ("True", "Scaling")),
        (OF_KUBERNETES, {"AbleToScale": "True", "ScalingActive": "False"}, ("False", "AutoscalerFailing")),
        (OF_KUBERNETES, {"AbleToScale": "False", "ScalingActive": "True"}, ("False", "AutoscalerFailing")),
    ],
)
async def test_what_an_autoscaler_says_is_told(
    cluster: InMemoryCluster, whose: tuple[Kind, Kind], said: dict[str, str], told: tuple[str, str]
) -> None:
    offered, kind = whose
    cluster.offer(offered)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))
    operator = await operated(cluster)
    says(cluster, kind, {"conditions": conditions(said)})
    await operator.look()

    assert condition(cluster) == told


AT_REST = {"AbleToScale": "True", "ScalingActive": "False"}


@pytest.mark.parametrize(
    ("whose", "asked", "said", "told"),
    [
        (OF_KEDA, BY_SOMEBODY, {"Ready": "True", "Fallback": "True"}, ("True", "ScaledToZero")),
        (OF_KEDA, BY_SOMEBODY, {"Ready": "False"}, ("False", "AutoscalerFailing")),
        (OF_KEDA, BY_SOMEBODY, {}, ("Unknown", "WaitingForAutoscaler")),
        (OF_KEDA, BY_REQUESTS, {"Ready": "True", "Fallback": "False"}, ("True", "ScaledToZero")),
        (OF_KEDA, BY_REQUESTS, {"Ready": "True", "Fallback": "True"}, ("False", "FallingBack")),
        (OF_KUBERNETES, BY_SOMEBODY, AT_REST, ("True", "ScaledToZero")),
        (OF_KUBERNETES, BY_SOMEBODY, {"AbleToScale": "False"}, ("False", "AutoscalerFailing")),
    ],
)
async def test_an_autoscaler_of_replicas_that_sleep_has_not_failed(
    cluster: InMemoryCluster,
    whose: tuple[Kind, Kind],
    asked: dict[str, Any],
    said: dict[str, str],
    told: tuple[str, str],
) -> None:
    """Of what does not run there are no figures; but where the add-on does not answer, nobody is woken."""
    offered, kind = whose
    cluster.offer(offered, INTERCEPTOR_ROUTES)
    cluster.put(an_inference_service(cloud=asked))
    operator = await operated(cluster)
    scaled(cluster, 0)
    generation = (cluster.live(DEPLOYMENTS, PLANT, "llm") or {})["metadata"]["generation"]
    says(cluster, DEPLOYMENTS, {"observedGeneration": generation})
    says(cluster, kind, {"conditions": conditions(said)})
    await operator.look()

    assert condition(cluster) == told
    assert condition(cluster, "Ready") == condition(cluster, "CloudReady") == ("True", "ScaledToZero")


@pytest.mark.parametrize(
    ("kind", "asked", "of", "missing"),
    [
        (HTTP_ROUTES, {"routing": ROUTE}, "RouteReady", "GatewayAPIMissing"),
        (INFERENCE_POOLS, {"routing": POOL}, "PoolReady", "InferenceExtensionMissing"),
        (POD_MONITORS, {"monitoring": MONITOR}, "MonitoringReady", "PrometheusOperatorMissing"),
    ],
)
async def test_an_api_comes_and_goes(
    cluster: InMemoryCluster, kind: Kind, asked: dict[str, Any], of: str, missing: str
) -> None:
    cluster.put(an_inference_service(cloud={}, **asked))
    operator = await operated(cluster)
    assert condition(cluster, of) == ("False", missing)

    cluster.offer(kind)
    await operator.look()
    assert cluster.names(kind) == ["llm"]

    cluster.withdraw(kind)
    await operator.look()
    assert condition(cluster, of) == ("False", missing)

    cluster.offer(kind)
    await operator.look()
    cluster.put(an_inference_service(cloud={}, routing=None, monitoring=None))
    await operator.settle()
    assert cluster.names(kind) == []
    assert condition(cluster, of) is None


async def test_a_route_serves_when_each_gateway_has_taken_it_up_as_it_is_now(cluster: InMemoryCluster) -> None:
    cluster.offer(HTTP_ROUTES)
    cluster.put(an_inference_service(cloud={}, routing=ROUTE))
    operator = await operated(cluster)
    assert condition(cluster, "RouteReady") == ("Unknown", "WaitingForGateway")

    says(cluster, HTTP_ROUTES, {"parents": [{"conditions": conditions({"Accepted": "True"}, generation=0)}]})
    await operator.look()
    assert condition(cluster, "RouteReady") == ("Unknown", "WaitingForGateway")

    said = conditions({"Accepted": "True", "ResolvedRefs": "True"}, generation=1)
    says(cluster, HTTP_ROUTES, {"parents": [{"conditions": said}]})
    await operator.look()
    assert condition(cluster, "RouteReady") == ("True", "RouteAccepted")

    says(cluster, HTTP_ROUTES, {"parents": [{"conditions": conditions({"Accepted": "False"}, generation=1)}]})
    await operator.look()
    assert condition(cluster, "RouteReady") == ("False", "RouteRefused")


async def test_of_several_models_behind_one_gateway_each_gets_what_asks_for_it(cluster: InMemoryCluster) -> None:
    """By its names and its adapters'; a service that is told no header takes what none of them does."""
    cluster.offer(HTTP_ROUTES)
    by_model = {"httpRoute": ROUTE["httpRoute"] | {"modelHeader": "X-Gateway-Model-Name"}}
    glm = {"uri": "hf://owner/glm", "aliases": ["usual", "glm"], "adapters": [{"name": "plant-a", "uri": "hf://o/a"}]}
    cluster.put(an_inference_service("glm", model=glm, cloud={}, routing=by_model))
    cluster.put(an_inference_service("phi", model={"uri": "hf://o/phi", "name": "o/phi"}, cloud={}, routing=by_model))
    cluster.put(an_inference_service("rest", cloud={}, routing=ROUTE))
    await operated(cluster)

    asked = ["glm", "usual", "plant-a", "o/phi", "phi", "Glm", None]
    assert [taken_by(cluster, model) for model in asked] == ["glm", "glm", "glm", "phi", "rest", "rest", "rest"]


async def test_a_route_leads_to_the_pool_once_there_is_one(cluster: InMemoryCluster) -> None:
    cluster.offer(HTTP_ROUTES)
    cluster.put(an_inference_service(cloud={}, routing=ROUTE | POOL))
    operator = await operated(cluster)
    assert backends(cluster) == [("Service", "llm")]

    cluster.offer(INFERENCE_POOLS)
    await operator.look()
    assert backends(cluster) == [("InferencePool", "llm")]
    assert condition(cluster, "PoolReady") == ("Unknown", "WaitingForGateway")

    said = conditions({"Accepted": "True", "ResolvedRefs": "True"}, generation=1)
    says(cluster, INFERENCE_POOLS, {"parents": [{"conditions": said}]})
    await operator.look()
    assert condition(cluster, "PoolReady") == ("True", "PoolAccepted")

    refused = conditions({"Accepted": "True", "ResolvedRefs": "False"}, generation=1)
    says(cluster, INFERENCE_POOLS, {"parents": [{"conditions": said}, {"conditions": refused}]})
    await operator.look()
    assert condition(cluster, "PoolReady") == ("False", "PoolRefused")

    cluster.withdraw(INFERENCE_POOLS)
    await operator.look()
    assert backends(cluster) == [("Service", "llm")]


async def test_what_stands_beside_is_put_back(cluster: InMemoryCluster) -> None:
    cluster.offer(SCALED_OBJECTS, POD_MONITORS)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD, monitoring=MONITOR))
    operator = await operated(cluster)
    cluster.put({**identity(SCALED_OBJECTS), "spec": {"maxReplicaCount": 100}})
    cluster.remove(POD_MONITORS, PLANT, "llm")
    await operator.look()

    assert spec(cluster, SCALED_OBJECTS)["maxReplicaCount"] == 8
    assert cluster.names(POD_MONITORS) == ["llm"]


async def test_an_api_that_vanished_a_moment_ago_is_told_and_stops_nothing_else(cluster: InMemoryCluster) -> None:
    """Between two rounds of discovery."""
    cluster.offer(SCALED_OBJECTS, POD_MONITORS)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))
    operator = await operated(cluster)
    cluster.withdraw(SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud={"autoscaling": {"maxReplicas": 9}}, monitoring=MONITOR))
    await operator.settle()

    assert condition(cluster) == ("False", "NotServed")
    assert cluster.names(POD_MONITORS) == ["llm"]


async def test_an_api_that_may_not_be_read_is_as_good_as_none(cluster: InMemoryCluster) -> None:
    cluster.offer(SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))

    def forbid(number: int) -> None:
        verb, kind, _ = cluster.requests[number - 1]
        if (verb, kind) == ("list", SCALED_OBJECTS):
            raise Forbidden("no")

    cluster.before = forbid
    operator = await operated(cluster)
    assert condition(cluster) == ("False", "NoAutoscaler")

    cluster.heal()
    await operator.look()
    assert cluster.names(SCALED_OBJECTS) == ["llm"]


async def test_a_server_that_does_not_answer_takes_no_api_away(cluster: InMemoryCluster) -> None:
    cluster.offer(SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD))
    operator = await operated(cluster)

    def away(number: int) -> None:
        if cluster.requests[number - 1][0] == "discover":
            raise Unavailable("away")

    cluster.before = away
    with pytest.raises(Unavailable):
        await operator.look()

    assert SCALED_OBJECTS in operator.store.offered
    assert "replicas" not in spec(cluster, DEPLOYMENTS)


async def test_rounds_of_discovery_over_a_settled_world_write_nothing(cluster: InMemoryCluster) -> None:
    cluster.offer(SCALED_OBJECTS, HTTP_ROUTES, POD_MONITORS, POD_METRICS)
    cluster.put(an_inference_service(cloud=FOLLOWS_LOAD, routing=ROUTE, monitoring=MONITOR))
    operator = await operated(cluster)
    copied(cluster)
    await operator.look()
    before = len(cluster.writes)
    for _ in range(3):
        await operator.look()

    assert cluster.writes[before:] == []


def taken_by(cluster: InMemoryCluster, model: str | None) -> str:
    """To which Service a Gateway sends a request for a model: with more headers a match on the same path goes first."""
    found: dict[int, str] = {}
    for route in ("glm", "phi", "rest"):
        (rule,) = spec(cluster, HTTP_ROUTES, route)["rules"]
        for match in rule["matches"]:
            headers = match.get("headers", [])
            if all((each["name"], each["value"]) == ("X-Gateway-Model-Name", model) for each in headers):
                assert len(headers) not in found, "two routes take it"
                found[len(headers)] = rule["backendRefs"][0]["name"]
    return found[max(found)]


def backends(cluster: InMemoryCluster) -> list[tuple[str, str]]:
    """Where the route leads."""
    rules = spec(cluster, HTTP_ROUTES)["rules"]
    return [(each.get("kind", "Service"), each["name"]) for rule in rules for each in rule["backendRefs"]]


async def operated(cluster: InMemoryCluster, settings: Settings = SETTINGS) -> OperatorInMemory:
    return await reconciled(cluster, settings)


def asks(cluster: InMemoryCluster, cloud: Manifest) -> None:
    """The user replaces the cloud part: a merge drops a key that is null."""
    blank = dict.fromkeys(("replicas", "autoscaling"))
    cluster.put(an_inference_service(cloud={**blank, **cloud}))


def scaled(cluster: InMemoryCluster, replicas: int) -> None:
    """As an autoscaler does."""
    cluster.put({**identity(DEPLOYMENTS), "spec": {"replicas": replicas}})


def copied(cluster: InMemoryCluster) -> None:
    """KEDA's own autoscaler."""
    source = cluster.live(SCALED_OBJECTS, PLANT, "llm") or {}
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "llm", "controller": True}
    metadata = {
        "name": "keda-hpa-llm",
        "namespace": PLANT,
        "labels": source["metadata"]["labels"],
        "ownerReferences": [{**owner, "uid": source["metadata"]["uid"]}],
    }
    cluster.put({**identity(AUTOSCALERS), "metadata": metadata, "spec": {"maxReplicas": 8}})


def says(cluster: InMemoryCluster, kind: Kind, status: Manifest) -> None:
    cluster.put({**identity(kind), "status": status})


def conditions(said: dict[str, str], generation: int | None = None) -> list[Manifest]:
    told = {"reason": "Because", "message": "so it is"} | (
        {} if generation is None else {"observedGeneration": generation}
    )
    return [{"type": kind, "status": status, **told} for kind, status in said.items()]


def identity(kind: Kind) -> Manifest:
    metadata = {"name": "llm", "namespace": PLANT}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}


def spec(cluster: InMemoryCluster, kind: Kind, name: str = "llm") -> Manifest:
    found: Manifest = (cluster.live(kind, PLANT, name) or {})["spec"]
    return found


def annotations(cluster: InMemoryCluster) -> dict[str, str]:
    found: dict[str, str] = (cluster.live(DEPLOYMENTS, PLANT, "llm") or {})["metadata"]["annotations"]
    return found


def condition(cluster: InMemoryCluster, of: str = "AutoscalingReady") -> tuple[str, str] | None:
    status = (cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {}).get("status", {})
    return next(((each["status"], each["reason"]) for each in status["conditions"] if each["type"] == of), None)
