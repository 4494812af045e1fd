"""Pinned endpoint hosts: a graph that would ask elsewhere is left out with a reason, and the others go on."""

from pathlib import Path

import msgspec
import pytest

from edgeglm_agent.config.pins import Pins, read_pins
from edgeglm_agent.config.problem import BadSetup
from edgeglm_agent.main import main
from edgeglm_api.bundle import Bundle, Endpoint
from edgeglm_api.endpoint_hosts import is_pinned
from tests.edge.bundles import a_bundle, a_graph, write_bundle

HOSTS = frozenset({"127.0.0.1:8000", "llm.example.com", "llm2.example.com:443", "[::1]"})


@pytest.mark.parametrize(
    ("url", "pinned"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://127.0.0.1:8001/v1", False),
        ("http://127.0.0.1/v1", False),
        ("https://llm.example.com/v1", True),
        ("https://LLM.example.com:8443/v1", True),
        ("https://llm2.example.com/v1", True),
        ("http://llm2.example.com/v1", False),
        ("http://[::1]:9000/v1", True),
        ("https://evil.llm.example.com/v1", False),
        ("https://llm.example.com.evil/v1", False),
        ("https://llm.example.com./v1", False),
        ("https://llm.example.com@evil/v1", False),
        ("https://evil@llm.example.com/v1", False),
        ("https://evil\\@llm.example.com/v1", False),
        ("https://evil\n.llm.example.com/v1", False),
        ("https://llm.example.com:port/v1", False),
        ("https://[::1/v1", False),
        ("https:///v1", False),
    ],
)
def test_an_address_is_at_a_pinned_host_or_not(url: str, *, pinned: bool) -> None:
    assert is_pinned(url, HOSTS) is pinned


def two_graphs() -> Bundle:
    """One asks on the machine, the other first there and then in a cloud."""
    reasoning = msgspec.structs.replace(a_graph().reasoning, endpoints=("engine", "cloud"))
    other = a_graph(name="line-2", uid="line-2", reasoning=reasoning)
    cloud = Endpoint(name="cloud", url="https://llm.example.com/v1", model="big", place="Cloud")
    return a_bundle(a_graph(), other, endpoints=(*a_bundle().endpoints, cloud))


def test_only_the_graph_that_would_ask_elsewhere_is_left_out() -> None:
    admitted = read_pins(["127.0.0.1"], None).admit(two_graphs())
    assert [graph.name for graph in admitted.bundle.graphs] == ["line-1"]
    assert [endpoint.name for endpoint in admitted.bundle.endpoints] == ["engine"]
    (refused,) = admitted.refused
    assert (refused.graph, refused.reason) == ("line-2", "EndpointNotPinned")
    assert "endpoint cloud is at 'https://llm.example.com/v1'" in refused.message


def test_without_pins_they_may_be_anywhere() -> None:
    admitted = Pins().admit(two_graphs())
    assert admitted.bundle == two_graphs()
    assert admitted.refused == []


def test_a_file_and_options_add_up_and_an_empty_file_pins_to_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("# the site's engine\n127.0.0.1:8000\n\nllm.example.com  # and the cloud's\n")
    assert read_pins(["[::1]"], file).hosts == frozenset({"[::1]", "127.0.0.1:8000", "llm.example.com"})
    assert read_pins([], None).hosts is None
    file.write_text("# none\n")
    assert read_pins([], file).admit(two_graphs()).bundle.graphs == ()


@pytest.mark.parametrize(
    "host", ["https://x", "x/y", "LLM.example", "*.example", "x:port", "x:123456", "::1", "a b", "-"]
)
def test_what_is_no_host_is_told(host: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetup, match="is no HOST or HOST:PORT in lower case"):
        read_pins([host], None)
    file = tmp_path / "hosts"
    file.write_text(host)
    with pytest.raises(BadSetup, match="is no HOST or HOST:PORT in lower case"):
        read_pins([], file)


def test_a_file_that_is_not_there_and_too_many_hosts_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadSetup, match="No such file or directory"):
        read_pins([], tmp_path / "hosts")
    with pytest.raises(BadSetup, match="257 endpoint hosts are given; at most 256"):
        read_pins([f"h{number}" for number in range(257)], None)


def test_check_says_which_graphs_would_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_bundle(tmp_path, two_graphs())
    assert main(["check", "--bundle", str(tmp_path), "--endpoint-host", "127.0.0.1"]) == 2
    assert "graph line-2 would not run here: endpoint cloud is at" in capsys.readouterr().err
    assert main(["check", "--bundle", str(tmp_path)]) == 0
