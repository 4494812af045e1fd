"""The init containers that bring a model: what they are told, where it is kept, and who sees the token."""

from typing import Any

import pytest

from edgeglm_api.model import read
from edgeglm_api.time_window import TimeWindow
from edgeglm_operator.download.cli import _parser
from edgeglm_operator.resources.cloud_deployment import make_cloud_deployment
from edgeglm_operator.resources.downloaded_weights import LINK, SHARES_PERCENT
from edgeglm_operator.resources.edge_deployment import make_edge_deployment
from edgeglm_operator.settings import Settings
from tests.unit.operator.builders import a_target, an_inference_service

SETTINGS = Settings(operator_image="registry.example/operator@sha256:1")


def in_cloud(**spec: Any) -> dict[str, Any]:
    pod: dict[str, Any] = make_cloud_deployment(an_inference_service(**{"cloud": {}, **spec}), SETTINGS)["spec"]
    template: dict[str, Any] = pod["template"]["spec"]
    return template


def at_edge(**target: Any) -> dict[str, Any]:
    service = an_inference_service(edge=[a_target(**target)])
    made = make_edge_deployment(service, service.spec.edge[0], "box-1", SETTINGS)
    template: dict[str, Any] = made["spec"]["template"]["spec"]
    return template


def downloads(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in pod["initContainers"] if each["name"].startswith("download-")]


def weights_volume(pod: dict[str, Any]) -> dict[str, Any]:
    [volume] = [volume for volume in pod["volumes"] if volume["name"] == "weights"]
    return {key: value for key, value in volume.items() if key != "name"}


def test_the_shares_rise_and_the_last_is_all_of_it() -> None:
    pod = in_cloud()
    assert [each["name"] for each in downloads(pod)] == [f"download-{percent}" for percent in SHARES_PERCENT]
    assert sorted(set(SHARES_PERCENT)) == list(SHARES_PERCENT)
    assert SHARES_PERCENT[-1] == 100
    assert {each["image"] for each in downloads(pod)} == {SETTINGS.operator_image}


def test_the_program_takes_every_argument_that_it_is_given() -> None:
    pod = in_cloud(
        model={"uri": "hf://a/b", "revision": "v1", "endpoint": "https://hub.example", "proxyURL": "http://proxy:3128"},
        cloud={"cache": {"size": "40Gi"}},
    )
    told = [vars(_parser().parse_args(each["args"])) for each in downloads(pod)]
    assert [each["until"] for each in told] == list(SHARES_PERCENT)
    for each in told:
        assert (each["repository"], each["revision"]) == ("a/b", "v1")
        assert (each["endpoint"], each["proxy"]) == ("https://hub.example", "http://proxy:3128")
        assert each["allowed_bytes"] == 40 * 2**30
        assert str(each["link"]) == LINK


def test_what_is_not_asked_for_is_left_to_the_program() -> None:
    told = _parser().parse_args(downloads(in_cloud())[0]["args"])
    assert (told.revision, told.endpoint, told.proxy) == ("", "", "")
    assert (told.allowed_bytes, told.max_bytes_per_second) == (None, None)


def test_only_the_download_sees_the_token() -> None:
    pod = in_cloud(model={"uri": "hf://a/b", "credentialsSecretRef": {"name": "hub"}})
    token = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}
    assert all(each["env"] == [token] for each in downloads(pod))
    assert "hub" not in str(pod["containers"])
    assert all("env" not in each for each in downloads(in_cloud()))


@pytest.mark.parametrize(
    ("cache", "volume"),
    [
        (None, {"emptyDir": {}}),
        ({"size": "40Gi"}, {"emptyDir": {"sizeLimit": "40Gi"}}),
        ({"pvc": "models"}, {"persistentVolumeClaim": {"claimName": "models"}}),
        ({"hostPath": "/srv/models"}, {"hostPath": {"path": "/srv/models", "type": "DirectoryOrCreate"}}),
    ],
)
def test_weights_are_kept_where_the_service_says(cache: dict[str, Any] | None, volume: dict[str, Any]) -> None:
    pod = in_cloud(cloud={} if cache is None else {"cache": cache})
    assert weights_volume(pod) == volume
    mounts = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "weights"]
    assert mounts == [{"name": "weights", "mountPath": "/models", "readOnly": True}]
    owners = [each["command"] for each in pod["initContainers"] if each["name"] == "own-cache"]
    assert owners == ([["chown", "10001:10001", "/models"]] if cache and "hostPath" in cache else [])


def test_a_node_is_looked_for_that_has_the_room() -> None:
    pod = in_cloud(cloud={"cache": {"size": "40Gi"}})
    assert {each["resources"]["requests"]["ephemeral-storage"] for each in downloads(pod)} == {"40Gi"}
    assert "ephemeral-storage" not in str(in_cloud())


def test_at_a_site_weights_stay_on_the_node_and_namespaces_stay_apart() -> None:
    volume = weights_volume(at_edge())
    assert volume == {"hostPath": {"path": "/var/lib/edgeglm/cache/plant", "type": "DirectoryOrCreate"}}


def test_a_sites_line_is_left_some_room() -> None:
    pod = at_edge(download={"maxBytesPerSecond": 500_000})
    assert {_parser().parse_args(each["args"]).max_bytes_per_second for each in downloads(pod)} == {500_000}


def test_a_sites_line_is_left_alone_by_day() -> None:
    window = {"start": "22:00", "end": "05:00", "timeZone": "Europe/Berlin", "days": ["Friday", "Saturday"]}
    pod = at_edge(download={"window": window})
    assert {_parser().parse_args(each["args"]).window for each in downloads(pod)} == {read(window, TimeWindow)}


@pytest.mark.parametrize("window", ["{}", "22:00", '{"start":"22:00","end":"05:00","timeZone":"Mars/Base"}'])
def test_a_window_that_is_none_is_refused_at_the_start(window: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _parser().parse_args(["a/b", "--cache=/c", "--link=/l", f"--window={window}"])
    assert "--window" in capsys.readouterr().err


def test_a_model_of_modelscope_comes_the_same_way_with_its_own_token() -> None:
    pod = in_cloud(model={"uri": "ms://a/b", "credentialsSecretRef": {"name": "scope"}})
    assert {_parser().parse_args(each["args"]).repository for each in downloads(pod)} == {"ms://a/b"}
    assert {env["name"] for each in downloads(pod) for env in each["env"]} == {"MODELSCOPE_API_TOKEN"}
    assert "scope" not in str(pod["containers"])


def test_a_model_of_s3_comes_the_same_way_with_its_keys() -> None:
    """The session's token and the region need not be in the Secret."""
    pod = in_cloud(model={"uri": "s3://models/a/b", "credentialsSecretRef": {"name": "store"}})
    assert {_parser().parse_args(each["args"]).repository for each in downloads(pod)} == {"s3://models/a/b"}
    needed = {"AWS_ACCESS_KEY_ID": False, "AWS_SECRET_ACCESS_KEY": False, "AWS_SESSION_TOKEN": True, "AWS_REGION": True}
    for each in downloads(pod):
        references = {env["name"]: env["valueFrom"]["secretKeyRef"] for env in each["env"]}
        assert {name: found.get("optional", False) for name, found in references.items()} == needed
        assert all(found["name"] == "store" and found["key"] == name for name, found in references.items())
    assert "store" not in str(pod["containers"])


def test_a_model_of_a_registry_comes_the_same_way_with_its_password() -> None:
    pod = in_cloud(model={"uri": "oci://r.example/a:v1", "credentialsSecretRef": {"name": "pulls"}})
    assert {_parser().parse_args(each["args"]).repository for each in downloads(pod)} == {"oci://r.example/a:v1"}
    for each in downloads(pod):
        found = {env["name"]: env["valueFrom"]["secretKeyRef"] for env in each["env"]}
        assert found["OCI_USERNAME"] == {"name": "pulls", "key": "username"}
        assert found["OCI_PASSWORD"] == {"name": "pulls", "key": "password"}
    assert "pulls" not in str(pod["containers"])


HUB_MODEL = {"uri": "hf://a/b", "endpoint": "https://hub.example", "credentialsSecretRef": {"name": "hub"}}
OWN_STORE = {"uri": "s3://m/a", "endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "minio"}}


@pytest.mark.parametrize(
    ("own", "endpoint", "secret"),
    [
        (None, "https://hub.example", "hub"),
        ({"uri": "hf://a/small"}, "https://hub.example", "hub"),
        ({"uri": "s3://m/a"}, "", None),
        (OWN_STORE, "http://minio:9000", "minio"),
        ({"uri": "hf://a/small", "endpoint": "http://mirror"}, "http://mirror", None),
    ],
    ids=["no model of its own", "of the same kind", "of another kind", "a store of its own", "a mirror of its own"],
)
def test_what_opens_one_place_is_not_shown_to_another(
    own: dict[str, Any] | None, endpoint: str, secret: str | None
) -> None:
    target = a_target(model=own) if own else a_target()
    service = an_inference_service(model=HUB_MODEL, edge=[target])
    made = make_edge_deployment(service, service.spec.edge[0], "box-1", SETTINGS)
    for each in downloads(made["spec"]["template"]["spec"]):
        assert _parser().parse_args(each["args"]).endpoint == endpoint
        assert {env["valueFrom"]["secretKeyRef"]["name"] for env in each.get("env", [])} == (
            {secret} if secret else set()
        )


ADAPTED = {
    "uri": "hf://a/b",
    "revision": "v1",
    "endpoint": "https://hub.example",
    "credentialsSecretRef": {"name": "hub"},
    "adapters": [{"name": "line-1", "uri": "hf://a/line-1"}, {"name": "line-2", "uri": "hf://a/line-2"}],
}


def test_adapters_come_after_the_model_by_the_same_way() -> None:
    """The model's revision is none of theirs."""
    pod = in_cloud(model=ADAPTED)
    brought = downloads(pod)[len(SHARES_PERCENT) :]
    assert [each["name"] for each in brought] == ["download-adapter-line-1", "download-adapter-line-2"]
    told = [_parser().parse_args(each["args"]) for each in brought]
    assert [each.repository for each in told] == ["a/line-1", "a/line-2"]
    assert [str(each.link) for each in told] == ["/cache/adapter-line-1", "/cache/adapter-line-2"]
    assert {(each.revision, each.endpoint, each.until) for each in told} == {("", "https://hub.example", 100)}
    assert all(each["env"] == downloads(pod)[0]["env"] for each in brought)


def test_the_engine_serves_each_adapter_by_its_name() -> None:
    args = in_cloud(model=ADAPTED)["containers"][0]["args"]
    begin = args.index("--enable-lora")
    assert args[begin + 1 : begin + 4] == [
        "--lora-modules",
        "line-1=/cache/adapter-line-1",
        "line-2=/cache/adapter-line-2",
    ]
    assert args[begin + 4].startswith("--")
    assert not [arg for arg in in_cloud()["containers"][0]["args"] if "lora" in arg]


def test_weights_that_are_at_hand_are_not_downloaded() -> None:
    assert "initContainers" not in in_cloud(model={"uri": "pvc://weights/glm"})
    assert "initContainers" not in at_edge(model={"uri": "file:///srv/glm"})
