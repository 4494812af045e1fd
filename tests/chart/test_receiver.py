"""What the chart renders of the receiver, and of the operator where there is one."""

from typing import Any

import pytest
from helm_python import HelmRenderError

from edgeglm_operator.flags import parser
from edgeglm_operator.receiver.main import _parser as receiver_parser
from tests.chart.rendering import RECEIVER, Manifest, named, operator_pod, pods, render


def test_it_is_off_unless_asked_for() -> None:
    assert pods(component="receiver") == []
    assert not any("report" in argument for argument in arguments_of(operator_pod()))
    assert not any("receiver" in str(each["metadata"]["name"]) for each in render())


@pytest.mark.parametrize("missing", ["externalURL", "keySecretName", "tls"])
def test_what_it_cannot_do_without_is_named(missing: str) -> None:
    values = {**RECEIVER["receiver"], missing: {} if missing == "tls" else ""}
    with pytest.raises(HelmRenderError, match=r"receiver\.[a-zA-Z.]+ is needed"):
        render({"receiver": values})


def test_both_programs_take_what_the_chart_passes() -> None:
    options = parser().parse_args(arguments_of(operator_pod(RECEIVER)))
    assert (options.report_url, options.report_epoch) == ("https://reports.example", 1)
    [receiver] = pods(RECEIVER, component="receiver")
    assert receiver_parser().parse_args(arguments_of(receiver)).oldest_epoch == 1


def test_only_the_receiver_has_the_private_key_of_its_certificate() -> None:
    items = {each["name"]: each.get("secret", {}).get("items") for each in operator_pod(RECEIVER)["spec"]["volumes"]}
    assert items["report-ca"] == [{"key": "ca.crt", "path": "ca.crt"}]
    assert items["report-key"] == [{"key": "key", "path": "key"}]


def test_the_service_leads_to_the_receiver() -> None:
    service = named(render(RECEIVER), "Service", "edgeglm-receiver")
    [receiver] = pods(RECEIVER, component="receiver")
    assert service["spec"]["selector"].items() <= receiver["metadata"]["labels"].items()
    [port] = service["spec"]["ports"]
    assert port["targetPort"] in {each["name"] for each in receiver["spec"]["containers"][0]["ports"]}
    [operator] = pods(RECEIVER, component="operator")
    assert not service["spec"]["selector"].items() <= operator["metadata"]["labels"].items()


def test_each_file_that_is_named_is_mounted() -> None:
    for pod in pods(RECEIVER):
        [container] = pod["spec"]["containers"]
        mounted = tuple(each["mountPath"] for each in container["volumeMounts"])
        files = [each.partition("=")[2] for each in container["args"] if "=/" in each]
        assert files
        assert all(file.startswith(mounted) for file in files)


def arguments_of(pod: Manifest) -> list[str]:
    [container] = pod["spec"]["containers"]
    found: list[Any] = container["args"]
    return [str(each) for each in found]
