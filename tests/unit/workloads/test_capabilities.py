"""What a pod asks of CNI plugins, as containerd puts it."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model import core
from tandem.model.parse import parse
from tandem.workloads.capabilities import BandwidthError, capabilities, declared

INGRESS, EGRESS = "kubernetes.io/ingress-bandwidth", "kubernetes.io/egress-bandwidth"


def pod(*ports: dict[str, Any], **annotations: str) -> core.Pod:
    raw = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "n", "annotations": annotations},
        "spec": {"containers": [{"name": "c", "ports": list(ports)}]},
    }
    found = parse(raw)
    assert isinstance(found, core.Pod)
    return found


def test_host_ports_of_containers_are_port_mappings_and_others_are_none() -> None:
    found = capabilities(
        pod({"containerPort": 80, "hostPort": 8080, "hostIP": "192.0.2.1", "protocol": "UDP"}, {"containerPort": 81})
    )
    assert found == {
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "udp", "hostIP": "192.0.2.1"}]
    }


@pytest.mark.parametrize(
    ("text", "rate"),
    [("10M", 10_000_000), ("1500k", 1_500_000), ("1Gi", 2**30), ("1e6", 1_000_000), ("1.5M", 1_500_000)],
)
def test_annotations_are_rates_with_the_largest_burst(text: str, rate: int) -> None:
    assert capabilities(pod(**{EGRESS: text})) == {"bandwidth": {"egressRate": rate, "egressBurst": 2**32 - 1}}


@pytest.mark.parametrize("text", ["fast", "-1M", "10", "10E99", "1e20"])
def test_an_annotation_that_is_no_rate_is_named(text: str) -> None:
    with pytest.raises(BandwidthError, match=INGRESS):
        capabilities(pod(**{INGRESS: text}))


def test_a_pod_that_asks_for_nothing_sends_nothing() -> None:
    assert capabilities(pod()) == {}


def test_a_plugin_is_told_what_it_declares_and_nothing_else() -> None:
    plugin = {"type": "x", "capabilities": {"portMappings": True, "ips": True, "bandwidth": False}}
    assert declared(plugin, {"portMappings": [1], "bandwidth": {}}) == {
        "type": "x",
        "runtimeConfig": {"portMappings": [1]},
    }
    assert declared(plugin, {}) == {"type": "x"}
