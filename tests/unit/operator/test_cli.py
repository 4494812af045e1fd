"""`edgeglm render` and `validate`: bad input ends with status 2 and a line for each fault, never a traceback."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeglm_operator.cli import main
from edgeglm_operator.offline.check import faults_of
from edgeglm_operator.offline.documents import Document, read_documents
from tests.crd import rows

SERVICE = """\
apiVersion: edgeglm.io/v1alpha1
kind: InferenceService
metadata: {name: llm, namespace: plant}
spec: {model: {uri: "hf://a/b"}, cloud: {}}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: plant}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "in.yaml"


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = main(arguments)
    output = capsys.readouterr()
    return status, output.out, output.err


GRAPH = """\
apiVersion: edgeglm.io/v1alpha1
kind: SensorGraph
metadata: {name: NAME, namespace: plant}
spec:
  sites: {nodeNames: [NODE, box-2]}
  broker: {url: "mqtt://127.0.0.1:1883"}
  sources: [{name: s, topic: "SOURCE", entity: {type: M, id: "{a}"}, measurements: [{property: p, path: $.p}]}]
  window: {sizeSeconds: 10}
  reasoning: {endpoint: {url: "http://127.0.0.1:8000/v1", model: m}}
  output: {topic: "OUTPUT"}
"""


def graph(name: str, source: str, output: str, node: str = "box-1") -> str:
    text = GRAPH.replace("NAME", name).replace("SOURCE", source).replace("OUTPUT", output)
    return text.replace("NODE", node)


def test_a_graph_that_hears_another_ones_answers_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listener = graph("listener", "out/{a}", "told/{graph}", node="box-3")
    file.write_text(graph("speaker", "in/{a}", "out/{partition}") + "---\n" + listener)
    status, _, err = run("validate", "-f", str(file), capsys=capsys)
    assert status == 2
    assert "SensorGraph/plant/speaker: spec.output.topic: out/{partition} can meet spec.sources[s].topic out/{a}" in err
    file.write_text(graph("speaker", "in/{a}", "out/{partition}") + "---\n" + listener.replace(", box-2", ""))
    assert run("validate", "-f", str(file), capsys=capsys)[0] == 0, "they run at no site together"


DEVICE = """\
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: press-1, namespace: plant}
spec: {nodeName: NODE}
"""
TOPOLOGY = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: drawn, namespace: plant, labels: {edgeglm.io/topology: ""}}
data: {line.json: 'SAID'}
"""


def test_a_topology_among_the_files_is_checked_and_rendered(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asking = graph("line", "in/{a}", "out/{partition}").replace(
        "  window:", "  topology: {configMapRef: {name: drawn, key: line.json}}\n  window:"
    )
    file.write_text(asking + "---\n" + TOPOLOGY.replace("SAID", '{"nodes": [{"id": "press-1", "type": "M"}]}'))
    status, out, err = run("render", "-f", str(file), capsys=capsys)
    assert (status, err) == (0, "")
    assert '"topology":{"nodes":[{"id":"press-1","type":"M"}]}' in out
    file.write_text(asking + "---\n" + TOPOLOGY.replace("SAID", '{"nodes": [{"id": "press-1"}]}'))
    status, _, err = run("validate", "-f", str(file), capsys=capsys)
    assert status == 2
    assert "ConfigMap/plant/drawn: data[line.json]: nodes[0]: Object missing required field `type`" in err
    file.write_text(asking)
    assert "there is no ConfigMap plant/drawn" in run("render", "-f", str(file), capsys=capsys)[2]


def test_devices_among_the_files_are_taken_and_missed_where_there_are_none(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asking = graph("line", "in/{a}", "out/{partition}").replace("  window:", "  topology: {devices: {}}\n  window:")
    file.write_text(asking)
    assert "the files have none of namespace plant" in run("render", "-f", str(file), capsys=capsys)[2]
    file.write_text(f"{asking}---\n{DEVICE.replace('NODE', '7')}")
    status, _, err = run("validate", "-f", str(file), capsys=capsys)
    assert status == 2
    assert "Device/plant/press-1: spec.nodeName: Expected `str`, got `int`" in err
    file.write_text(f"{asking}---\n{DEVICE.replace('NODE', 'somewhere')}")
    status, out, err = run("render", "-f", str(file), capsys=capsys)
    assert (status, err) == (0, "")
    assert '"topology":{}' in out
    file.write_text(f"{asking}---\n{DEVICE.replace('NODE', 'box-1')}")
    assert '"topology":{"nodes":[{"id":"press-1","type":"Device"}]}' in run("render", "-f", str(file), capsys=capsys)[1]


def spec(text: str) -> str:
    return SERVICE.replace('spec: {model: {uri: "hf://a/b"}, cloud: {}}', f"spec: {text}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ""),
        ("just text", "holds a text where an object with apiVersion and kind should be"),
        ("- 1", "holds a list where"),
        ("a: [", "is not YAML: line 1"),
        ("a: &x [*x]", "is not YAML: line 1: found unconstructable recursive node"),
        ("[" * 5000, "is nested too deeply"),
        ("a: 1\na: 2", "is not YAML: line 2: key 'a' stands twice"),
        ("1: 2", "is not YAML: line 1: key 1 is not a string"),
        (
            "kind: InferenceService",
            "InferenceService (no apiVersion) is not known; known are EdgeSite (edgeglm.io/v1alpha1)",
        ),
        ("a: 1", "no kind (no apiVersion) is not known"),
        ("apiVersion: edgeglm.io/v1alpha1\nkind: Model", "Model (edgeglm.io/v1alpha1) is not known"),
        (
            "apiVersion: serving.kserve.io/v1\nkind: InferenceService",
            "InferenceService (serving.kserve.io/v1) is not known",
        ),
        ("apiVersion: edgeglm.io/v1alpha1\nkind: EdgeSite", "metadata.name: is required"),
        ("apiVersion: edgeglm.io/v1alpha1\nkind: EdgeSite\nmetadata: []", "metadata.name: is required"),
        ("apiVersion: edgeglm.io/v1alpha1\nkind: EdgeSite\nmetadata: {name: a}", "EdgeSite/a: spec: is required"),
        (spec("{}"), "InferenceService/plant/llm: spec.model: is required"),
        (spec("[]"), "InferenceService/plant/llm: spec: is []; it must be of type object"),
        (
            spec("{model: {uri: 'hf://a/b', alias: [x]}, cloud: {}}"),
            "spec.model.alias: is not a field, did you mean aliases; allowed are adapters, aliases,",
        ),
        (
            spec("{model: {uri: x}, cloud: {}}"),
            "spec.model.uri: use hf://OWNER/NAME, ms://OWNER/NAME, s3://BUCKET/PREFIX, oci://REGISTRY/NAME, pvc://CLAIM/PATH",
        ),
        (
            spec("{model: {uri: 'hf://a/b'}, cloud: {}, engine: {dtype: int4}}"),
            'spec.engine.dtype: is "int4"; allowed are auto, bfloat16, float16, float32',
        ),
        (
            spec("{model: {uri: 'hf://a/b'}, edge: [{name: plants, sites: {nodeNames: [a]}, port: 80}]}"),
            "spec.edge[plants].port: is 80; it must be at least 1024",
        ),
        (
            spec("{model: {uri: 'hf://a/b'}, cloud: {}, engine: {extraArgs: [--max-model=1]}}"),
            "spec.engine.extraArgs[0]: vLLM takes --max-model for --max-model-len, which is set by engine.maxModelLen",
        ),
        (SERVICE + "---\n" + SERVICE, "InferenceService/plant/llm: stands twice"),
    ],
)
def test_each_fault_has_its_line(text: str, says: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(text, encoding="utf-8")
    for command in ("validate", "render"):
        status, out, err = run(command, "-f", str(file), capsys=capsys)
        if not says:
            assert status == 0
            continue
        assert (status, out) == (2, "")
        assert says in err
        assert all(line.startswith(f"{file}: ") for line in err.splitlines())


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text(spec("{model: {uri: x}, cloud: {}}").replace("llm", "LLM"), encoding="utf-8")
    other.write_text(spec("{}"), encoding="utf-8")
    status, _, err = run("validate", "-f", str(one), str(other), capsys=capsys)
    assert status == 2
    assert len(err.splitlines()) == 3


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run("validate", "-f", "/no/such", "-f", "/no/other", capsys=capsys)
    assert (status, err) == (
        2,
        "/no/such: cannot be read: No such file or directory\n/no/other: cannot be read: No such file or directory\n",
    )


def test_what_is_in_order_is_said_to_be_valid(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(f"{NAMESPACE}---\n{SERVICE}", encoding="utf-8")
    status, out, err = run("validate", "-f", str(file), capsys=capsys)
    assert (status, out) == (0, f"{file}: InferenceService/plant/llm: valid\n")
    assert err == f"{file}: Namespace/plant: passed over; it is not of edgeglm\n"


def test_the_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(SERVICE))
    status, out, _ = run("render", "-f", "-", capsys=capsys)
    assert status == 0
    assert [document["kind"] for document in yaml.safe_load_all(out)] == ["Deployment", "Service"]


def test_lists_are_taken_apart(file: Path) -> None:
    file.write_text(
        yaml.safe_dump({"kind": "List", "items": [{"kind": "A"}, {"kind": "BList", "items": [{"kind": "B"}]}]})
    )
    assert [document.kind for document in read_documents(str(file))] == ["A", "B"]


def test_values_are_read_as_kubectl_reads_them(file: Path) -> None:
    file.write_text("kind: A\ndate: 2026-01-01\nclock: 12:30\nhex: 0x10\nyes: no\n", encoding="utf-8")
    with pytest.raises(Exception, match="key True is not a string"):
        read_documents(str(file))
    file.write_text("kind: A\ndate: 2026-01-01\nclock: 12:30\nhex: 0x10\non_: no\n", encoding="utf-8")
    (document,) = read_documents(str(file))
    assert document.raw == {"kind": "A", "date": "2026-01-01", "clock": "12:30", "hex": 16, "on_": False}


def test_nodes_by_label_need_the_nodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wish, nodes = tmp_path / "in.yaml", tmp_path / "nodes.yaml"
    wish.write_text(
        spec("{model: {uri: 'hf://a/b'}, edge: [{name: p, sites: {nodeSelector: {zone: a}}}]}"), encoding="utf-8"
    )
    status, _, err = run("render", "-f", str(wish), capsys=capsys)
    assert (status, err) == (
        1,
        "InferenceService/plant/llm: spec.edge[p].sites: selects nodes by label; pass --nodes to render its sites\n",
    )
    labels = {"node-role.kubernetes.io/edge": "", "zone": "a"}
    nodes.write_text(
        yaml.safe_dump({"kind": "Node", "metadata": {"name": "box-1", "labels": labels}}), encoding="utf-8"
    )
    status, out, err = run("render", "-f", str(wish), "--nodes", str(nodes), capsys=capsys)
    assert (status, err) == (0, "")
    assert "name: llm-p-box-1" in out


def test_a_site_of_a_node_that_is_not_listed_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wish, nodes = tmp_path / "in.yaml", tmp_path / "nodes.yaml"
    wish.write_text(yaml.safe_dump(rows.site("box-9", nodeName="box-9")), encoding="utf-8")
    nodes.write_text(yaml.safe_dump({"kind": "Node", "metadata": {"name": "box-1"}}), encoding="utf-8")
    status, _, err = run("render", "-f", str(wish), "--nodes", str(nodes), capsys=capsys)
    assert (status, err) == (1, "EdgeSite/default/box-9: spec.nodeName: there is no node box-9 in the list of nodes\n")


@pytest.mark.parametrize(
    ("text", "says"), [(NAMESPACE, "holds no Node"), ("kind: Node", "Node/?: metadata.name: is required")]
)
def test_a_file_of_nodes_holds_nodes(text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wish, nodes = tmp_path / "in.yaml", tmp_path / "nodes.yaml"
    wish.write_text(SERVICE, encoding="utf-8")
    nodes.write_text(text, encoding="utf-8")
    status, out, err = run("render", "-f", str(wish), "--nodes", str(nodes), capsys=capsys)
    assert (status, out) == (2, "")
    assert says in err


def test_images_can_be_those_of_an_installation(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SERVICE, encoding="utf-8")
    _, out, _ = run("render", "-f", str(file), "--engine-image", "mirror/vllm:1", capsys=capsys)
    assert "image: mirror/vllm:1\n" in out


@pytest.mark.parametrize("arguments", [[], ["render"], ["validate", "-g"], ["nonsense"]])
def test_wrong_usage_ends_with_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: edgeglm" in capsys.readouterr().err


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
WHOLE = [
    rows.graph(),
    rows.site(),
    rows.service(cloud={"resources": {"limits": {"cpu": 1}}}, edge=[rows.target(engine={})]),
]


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, child in children for found in paths(child, (*path, key)))]


def replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("path", [("kind",), ("apiVersion",), ("metadata", "name")])
@pytest.mark.parametrize("text", ["\n", "a\nb"])
def test_a_fault_is_one_line_whatever_stands_in_the_file(path: tuple[str, ...], text: str) -> None:
    lines = list(faults_of(Document("in.yaml", replaced(WHOLE[0], path, text))))
    assert lines
    assert all(line.startswith("in.yaml: ") and "\n" not in line for line in lines)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_input_whatsoever_makes_it_stumble(data: st.DataObject) -> None:
    """Any field of a valid object, replaced by anything: there is a line, or it is valid after all."""
    whole = data.draw(st.sampled_from(WHOLE))
    path = data.draw(st.sampled_from(paths(whole)[1:]))
    document = Document("in.yaml", replaced(whole, path, data.draw(json_values)))
    assert all(line.startswith("in.yaml: ") and "\n" not in line for line in faults_of(document))


def test_a_fault_is_one_line_whatever_version_the_object_claims() -> None:
    (line,) = faults_of(Document("in.yaml", rows.graph() | {"apiVersion": "edgeglm.io/\nv9"}))
    assert "SensorGraph (edgeglm.io/ v9) is not known; known are" in line


FITTING = spec("{model: {uri: 'hf://zai-org/glm-4-9b-chat-hf'}, cloud: {accelerator: {memory: 80G}}}")
TOO_LARGE = FITTING.replace("80G", "24G")
UNKNOWN = FITTING.replace("{memory: 80G}", "{}")


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        (FITTING, 0, "plant/llm: spec.cloud: fits: weights take 17.5 GiB"),
        (TOO_LARGE, 1, "it fits with spec.engine.maxModelLen: 37888 or spec.engine.quantization: "),
        (UNKNOWN, 1, "plant/llm: spec.cloud: not known: how much memory an accelerator has"),
        (SERVICE, 0, "plant/llm: no accelerator, so nothing to fit"),
        (spec("{}"), 2, ""),
    ],
)
def test_plan_says_whether_it_fits_by_its_status(
    text: str, status: int, says: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(text, encoding="utf-8")
    found, out, err = run("plan", "-f", str(file), capsys=capsys)
    assert found == status
    assert says in out
    assert bool(err) is (status == 2)


@pytest.mark.parametrize(("text", "fits"), [(FITTING, True), (TOO_LARGE, False), (UNKNOWN, None), (SERVICE, True)])
def test_plan_for_programs(text: str, fits: bool | None, file: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: FBT001 - a table
    file.write_text(text, encoding="utf-8")
    _, out, _ = run("plan", "-f", str(file), "-o", "json", capsys=capsys)
    report = json.loads(out)
    assert report["fits"] is fits
    for target in report["targets"]:
        assert (target["service"], target["place"], target["fits"]) == ("plant/llm", "spec.cloud", fits)
    if fits is False:
        (target,) = report["targets"]
        assert (target["weightsBytes"], target["kvBytesPerToken"]) == (18799902720, 40960)
        assert target["maxConcurrency"] == round(target["kvCacheTokens"] / 131072, 2)
        assert target["suggestions"][0] == {"set": {"spec.engine.maxModelLen": 37888}, "maxConcurrency": 1.02}
    if fits is None:
        assert report["targets"][0]["reason"] == "UnknownMemory"


def test_explain_shows_each_setting_its_origin_and_the_arguments(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(
        spec(
            "{model: {uri: 'hf://a/b'}, preset: generic@1, cloud: {accelerator: {count: 2}},"
            ' engine: {chatTemplate: "{{ a }}\\n$(b)"},'
            " edge: [{name: p, sites: {nodeSelector: {zone: a}}, engine: {prefixCaching: false}}]}"
        ),
        encoding="utf-8",
    )
    status, out, _ = run("explain", "-f", str(file), "--engine-image", "mirror/vllm:1", capsys=capsys)
    cloud, edge = out.split("plant/llm: ")[1:]
    assert status == 0
    assert cloud.splitlines()[:2] == [
        "spec.cloud",
        "  image                        mirror/vllm:1  the operator's settings",
    ]
    assert "  parallelism.tensor           2              spec.cloud.accelerator.count\n" in cloud
    assert "  gpuMemoryUtilizationPercent  90             preset generic@1\n" in cloud
    assert "{{ a }}\\n$(b)" in cloud
    assert "vllm serve /cache/model --served-model-name llm" in cloud
    assert "'--chat-template={{ a }}\n$(b)'" in cloud
    assert edge.startswith("spec.edge[p]\n")
    assert " --no-enable-prefix-caching " in edge
    assert "prefixCaching                false          spec.edge[p].engine\n" in edge


NOBODY_THERE = """\
apiVersion: v1
kind: Config
current-context: it
clusters: [{name: it, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: it, user: {token: t}}]
contexts: [{name: it, context: {cluster: it, user: it, namespace: plant}}]
"""


@pytest.mark.parametrize(
    ("kubeconfig", "wanted", "says"),
    [
        (None, "llm", "InferenceService llm: the cluster cannot be asked: kubeconfig: "),
        ("{", "llm", "InferenceService llm: the cluster cannot be asked: kubeconfig: "),
        ("kind: Config", "llm", "InferenceService llm: the cluster cannot be asked: kubeconfig: "),
        (NOBODY_THERE, "sgraph/line-1", "SensorGraph line-1: the cluster cannot be asked: GET /apis/edgeglm.io/"),
        (NOBODY_THERE, "EdgeSite/box-1", "EdgeSite box-1: the cluster cannot be asked: GET /apis/edgeglm.io/"),
        (NOBODY_THERE, "pod/x", "pod/x: there is no kind pod here; use one of infsvc, sgraph, esite"),
    ],
)
def test_a_cluster_that_cannot_be_asked_is_one_line(
    file: Path, capsys: pytest.CaptureFixture[str], kubeconfig: str | None, wanted: str, says: str
) -> None:
    if kubeconfig is not None:
        file.write_text(kubeconfig, encoding="utf-8")
    status, out, err = run("explain", wanted, "--kubeconfig", str(file), capsys=capsys)
    assert (status, out) == (2, "")
    assert err.startswith(says)
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [(), ("llm", "-f", "x.yaml")])
def test_explain_is_of_a_name_or_of_files(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("explain", *arguments, capsys=capsys)
    assert ended.value.code == 2
