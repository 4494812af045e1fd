"""Where the cloud replicas may go: what is asked for, and never an edge node, whatever is asked for."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_api import labels
from edgeglm_operator.reconcile.status.inference_service import expected_in_cloud
from edgeglm_operator.resources.cloud_deployment import make_cloud_deployment
from edgeglm_operator.resources.edge_deployment import make_edge_deployment
from edgeglm_operator.settings import Settings
from tests.unit.operator.builders import a_target, an_inference_service

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
GPU = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"}
Labels = Mapping[str, str]


def template(**cloud: Any) -> dict[str, Any]:
    deployment = make_cloud_deployment(an_inference_service(cloud=cloud), Settings())
    made: dict[str, Any] = deployment["spec"]["template"]
    return made


def pod(**cloud: Any) -> dict[str, Any]:
    spec: dict[str, Any] = template(**cloud)["spec"]
    return spec


# What the scheduler makes of a required node affinity (k8s.io/component-helpers/scheduling/corev1/nodeaffinity).
_OPERATORS: dict[str, Callable[[str | None, list[str]], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
    "Gt": lambda value, values: _is_number(value) and int(value or 0) > int(values[0]),
    "Lt": lambda value, values: _is_number(value) and int(value or 0) < int(values[0]),
}


def _is_number(value: str | None) -> bool:
    return value is not None and value.lstrip("-").isdigit()


def is_met(requirement: Mapping[str, Any], values: Labels) -> bool:
    return _OPERATORS[requirement["operator"]](values.get(requirement["key"]), requirement.get("values", []))


def admits(affinity: Mapping[str, Any], node: str, node_labels: Labels) -> bool:
    required = affinity.get("nodeAffinity", {}).get(REQUIRED)
    if required is None:
        return True
    return any(
        (term.get("matchExpressions") or term.get("matchFields"))
        and all(is_met(each, node_labels) for each in term.get("matchExpressions", ()))
        and all(is_met(each, {"metadata.name": node}) for each in term.get("matchFields", ()))
        for term in required["nodeSelectorTerms"]
    )


KEYS = st.sampled_from(["zone", "disk", "nvidia.com/gpu.memory", labels.EDGE_NODE])
VALUES = st.sampled_from(["", "a", "b", "40960", "81559"])
NUMBERS = st.sampled_from(["-1", "0", "40959", "81559"])
EXPRESSIONS = st.one_of(
    st.builds(
        lambda key, operator, values: {"key": key, "operator": operator, "values": values},
        KEYS,
        st.sampled_from(["In", "NotIn"]),
        st.lists(VALUES, min_size=1, max_size=3),
    ),
    st.builds(
        lambda key, operator: {"key": key, "operator": operator}, KEYS, st.sampled_from(["Exists", "DoesNotExist"])
    ),
    st.builds(
        lambda key, operator, value: {"key": key, "operator": operator, "values": [value]},
        KEYS,
        st.sampled_from(["Gt", "Lt"]),
        NUMBERS,
    ),
)
FIELDS = st.builds(
    lambda operator, name: {"key": "metadata.name", "operator": operator, "values": [name]},
    st.sampled_from(["In", "NotIn"]),
    st.sampled_from(["n1", "n2"]),
)
TERMS = st.fixed_dictionaries(
    {}, optional={"matchExpressions": st.lists(EXPRESSIONS, max_size=3), "matchFields": st.lists(FIELDS, max_size=2)}
).filter(lambda term: bool(term.get("matchExpressions") or term.get("matchFields")))
PREFERRED = st.lists(st.builds(lambda term: {"weight": 1, "preference": term}, TERMS), max_size=2)
AFFINITIES = st.fixed_dictionaries(
    {},
    optional={
        "nodeAffinity": st.fixed_dictionaries(
            {},
            optional={
                REQUIRED: st.builds(
                    lambda terms: {"nodeSelectorTerms": terms}, st.lists(TERMS, min_size=1, max_size=4)
                ),
                "preferredDuringSchedulingIgnoredDuringExecution": PREFERRED,
            },
        ),
        "podAntiAffinity": st.just({REQUIRED: [{"topologyKey": "zone"}]}),
    },
)
NODE_LABELS = st.dictionaries(KEYS, VALUES, max_size=4)
NODES = st.sampled_from(["n1", "n2", "n3"])


@given(AFFINITIES, NODES, NODE_LABELS)
def test_no_affinity_ever_admits_an_edge_node_and_elsewhere_it_means_what_it_says(
    affinity: dict[str, Any], node: str, node_labels: dict[str, str]
) -> None:
    merged = pod(affinity=affinity)["affinity"]
    off_the_edge = labels.EDGE_NODE not in node_labels
    assert admits(merged, node, node_labels) is (off_the_edge and bool(admits(affinity, node, node_labels)))
    assert merged.get("podAntiAffinity") == affinity.get("podAntiAffinity")
    assert {**affinity.get("nodeAffinity", {}), REQUIRED: None} == {**merged["nodeAffinity"], REQUIRED: None}


@given(AFFINITIES, NODES, NODE_LABELS)
def test_what_an_accelerator_needs_holds_beside_any_affinity(
    affinity: dict[str, Any], node: str, node_labels: dict[str, str]
) -> None:
    merged = pod(affinity=affinity, accelerator={"memory": "40G"})["affinity"]
    has_memory = node_labels.get("nvidia.com/gpu.memory") in {"40960", "81559"}
    off_the_edge = labels.EDGE_NODE not in node_labels
    wanted = off_the_edge and has_memory and bool(admits(affinity, node, node_labels))
    assert admits(merged, node, node_labels) is wanted


@pytest.mark.parametrize(
    ("asked", "mib", "will_do"),
    [
        # MiB as nvidia-smi shows them of the cards that are sold under these figures; the label has the same.
        ("80G", 81559, True),  # H100 SXM
        ("80G", 81920, True),  # A100 SXM 80GB
        ("80Gi", 81559, False),
        ("80Gi", 81920, True),
        ("80Gi", 81919, False),
        ("48G", 46068, True),  # L40S
        ("40G", 40960, True),  # A100 SXM 40GB
        ("41G", 39538, True),  # the label in NVIDIA's own documentation: 41.5 GB
        ("24G", 23034, True),  # L4
        ("24G", 16384, False),
        ("141G", 143771, True),  # H200
        (85520809984, 81559, True),
        (85520809985, 81559, False),
        ("1k", 1, True),
    ],
)
def test_memory_is_compared_to_the_byte(asked: str | int, mib: int, will_do: bool) -> None:  # noqa: FBT001
    affinity = pod(accelerator={"memory": asked})["affinity"]
    assert bool(admits(affinity, "n", {"nvidia.com/gpu.memory": str(mib)})) is will_do


@pytest.mark.parametrize(
    ("resource", "product", "memory"),
    [
        (None, "nvidia.com/gpu.product", "nvidia.com/gpu.memory"),
        ("nvidia.com/gpu.shared", "nvidia.com/gpu.product", "nvidia.com/gpu.memory"),
        ("nvidia.com/mig-1g.5gb", "nvidia.com/mig-1g.5gb.product", "nvidia.com/mig-1g.5gb.memory"),
        ("nvidia.com/mig-1g.5gb.shared", "nvidia.com/mig-1g.5gb.product", "nvidia.com/mig-1g.5gb.memory"),
    ],
)
def test_labels_are_those_of_the_resource(resource: str | None, product: str, memory: str) -> None:
    accelerator = {"products": ["A"], "memory": "1Gi"} | ({"resource": resource} if resource else {})
    affinity = pod(accelerator=accelerator)["affinity"]
    assert admits(affinity, "n", {product: "A", memory: "1024"})
    assert not admits(affinity, "n", {product: "B", memory: "1024"})
    assert not admits(affinity, "n", {product: "A", memory: "1023"})


@pytest.mark.parametrize("accelerator", [{"resource": "amd.com/gpu"}, {"claimTemplateName": "two"}])
def test_where_no_labels_tell_the_memory_any_node_will_do(accelerator: dict[str, Any]) -> None:
    assert admits(pod(accelerator={**accelerator, "memory": "80G"})["affinity"], "n", {})


def test_memory_at_the_edge_chooses_no_node() -> None:
    service = an_inference_service(edge=[a_target(accelerator={"memory": "80G"})])
    made = make_edge_deployment(service, service.spec.edge[0], "box-1", Settings())
    affinity = made["spec"]["template"]["spec"]["affinity"]
    assert admits(affinity, "box-1", {labels.EDGE_NODE: ""})


@pytest.mark.parametrize(
    ("resource", "taints"),
    [
        ("nvidia.com/gpu", ["nvidia.com/gpu"]),
        ("nvidia.com/mig-1g.5gb", ["nvidia.com/mig-1g.5gb", "nvidia.com/gpu"]),
        ("amd.com/gpu", ["amd.com/gpu"]),
    ],
)
def test_the_taints_of_nodes_with_accelerators_are_tolerated(resource: str, taints: list[str]) -> None:
    tolerations = pod(accelerator={"resource": resource}, tolerations=[{"key": "own", "value": ""}])["tolerations"]
    assert tolerations == [
        {"key": "own"},
        *({"key": each, "operator": "Exists", "effect": "NoSchedule"} for each in taints),
    ]


def test_a_claim_takes_the_place_of_the_resource() -> None:
    made = pod(accelerator={"claimTemplateName": "two", "count": 2})
    assert made["resourceClaims"] == [{"name": "accelerator", "resourceClaimTemplateName": "two"}]
    assert made["containers"][0]["resources"] == {"claims": [{"name": "accelerator"}]}
    assert "tolerations" not in made
    assert "--tensor-parallel-size=2" in made["containers"][0]["args"]


def test_the_operators_own_labels_and_annotations_win() -> None:
    """The CRD refuses such keys; an object that was stored before it did must not break a selector either."""
    own = {"labels": {labels.PLACE: "edge", "team": "a"}, "annotations": {"edgeglm.io/engine-log": "x"}}
    metadata = template(podMetadata=own)["metadata"]
    assert metadata["labels"][labels.PLACE] == "cloud"
    assert metadata["labels"]["team"] == "a"
    assert metadata["annotations"]["edgeglm.io/engine-log"] != "x"


def test_spread_counts_the_services_own_replicas_unless_told_otherwise() -> None:
    constraint = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    own = {"labelSelector": {"matchLabels": {"team": "a"}}}
    absent, said = pod(topologySpreadConstraints=[constraint, constraint | own])["topologySpreadConstraints"]
    assert absent["labelSelector"] == {"matchLabels": {labels.SERVICE: "llm", labels.PLACE: "cloud"}}
    assert said["labelSelector"] == own["labelSelector"]


@pytest.mark.parametrize("account", [None, "llm"])
def test_no_token_is_mounted_with_or_without_an_account(account: str | None) -> None:
    made = pod(**({"serviceAccountName": account} if account else {}))
    assert made["serviceAccountName"] == (account or "default")
    assert made["automountServiceAccountToken"] is False


def test_a_volume_never_has_the_name_of_one_of_ours() -> None:
    ours = [volume["name"] for volume in pod()["volumes"]]
    made = pod(
        volumes=[{"name": name, "emptyDir": {}} for name in ours],
        volumeMounts=[{"name": name, "mountPath": f"/data/{name}", "readOnly": False} for name in ours],
    )
    names = [volume["name"] for volume in made["volumes"]]
    assert len(set(names)) == len(names) == 2 * len(ours)
    mounts = made["containers"][0]["volumeMounts"][-len(ours) :]
    assert mounts == [{"name": f"user-{name}", "mountPath": f"/data/{name}"} for name in ours]


@pytest.mark.parametrize(
    ("cloud", "rolls"),
    [
        ({"accelerator": {"memory": "80G"}}, True),
        ({"accelerator": {"products": ["A"]}}, True),
        ({"accelerator": {"resource": "amd.com/gpu", "memory": "80G"}}, False),
        ({"accelerator": {"claimTemplateName": "two", "memory": "80G"}}, False),
    ],
)
def test_only_what_pods_follow_from_starts_a_rollout(cloud: dict[str, Any], rolls: bool) -> None:  # noqa: FBT001
    without = {
        "accelerator": {key: value for key, value in cloud["accelerator"].items() if key not in {"memory", "products"}}
    }
    notes = [
        make_cloud_deployment(an_inference_service(cloud=each), Settings())["metadata"]["annotations"][labels.SPEC_HASH]
        for each in (without, cloud)
    ]
    assert (notes[0] != notes[1]) is rolls


def test_what_chooses_nodes_is_known_to_the_status() -> None:
    service = an_inference_service(
        cloud={
            "accelerator": {"products": ["A"], "memory": "80G"},
            "nodeSelector": {"a": "b"},
            "affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": []}]}}},
            "volumes": [{"name": "x", "secret": {"secretName": "ca"}}, {"name": "y", "emptyDir": {}}],
        }
    )
    expected = expected_in_cloud(service)
    assert expected.node_fields == (
        "spec.cloud.accelerator.products (label nvidia.com/gpu.product)",
        "spec.cloud.accelerator.memory (label nvidia.com/gpu.memory, in MiB)",
        "spec.cloud.nodeSelector",
        "spec.cloud.affinity",
    )
    assert expected.own_volumes == ("ca",)
    assert expected_in_cloud(an_inference_service()).node_fields == ()
