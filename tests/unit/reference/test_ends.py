"""Who is who: ends of packets, and what peers mean them."""

from __future__ import annotations

import msgspec
import pytest

from builders import node, pod, world
from tandem.model.core import Node, NodeAddress, NodeSpec, NodeStatus
from tandem.model.selectors import LabelSelector
from tandem.reference.ends import DNS, end_of, has_name, is_inside, is_node_like, is_prefix, is_selected, lives_on

WEB = pod("web", ip="10.244.0.2", ports={"http": 8080})
AGENT = pod("agent", ip="192.168.0.1", host_network=True)
DONE = pod("done", ip="10.244.0.9", phase="Succeeded")


def machine(**labels: str) -> Node:
    status = NodeStatus(addresses=(NodeAddress(type="InternalIP", address="192.168.0.1"),))
    return msgspec.structs.replace(node("node-1", **labels), status=status, spec=NodeSpec(pod_cidr="10.244.0.0/24"))


FOUND = world(WEB, AGENT, DONE, machine(rack="r1"))


def test_an_address_is_its_pod_unless_that_has_finished() -> None:
    assert end_of(FOUND, None, "10.244.0.2", DNS).pod == WEB
    assert end_of(FOUND, None, "10.244.0.9", DNS).pod is None
    assert not end_of(FOUND, ("default", "done"), "", DNS).lives


def test_a_host_network_pod_is_its_node() -> None:
    end = end_of(FOUND, ("default", "agent"), "", DNS)
    assert (end.address, end.is_node, end.pod, end.lives) == ("192.168.0.1", True, None, False)


def test_the_resolver_counts_as_a_pod_of_kube_system() -> None:
    end = end_of(FOUND, None, DNS[0], DNS)
    assert end.ports["dns", "UDP"] == (53,)
    assert is_selected(FOUND, end, namespaces=LabelSelector(), pods=LabelSelector(match_labels={"k8s-app": "kube-dns"}))


def test_a_node_speaks_to_its_pods_from_its_own_and_its_first_address() -> None:
    for address, is_its_own in (("192.168.0.1", True), ("10.244.0.1", True), ("10.244.0.7", False)):
        assert lives_on(FOUND, WEB, end_of(FOUND, None, address, DNS)) is is_its_own


def test_a_node_peer_is_the_status_addresses_of_nodes_with_such_labels() -> None:
    end = end_of(FOUND, None, "192.168.0.1", DNS)
    assert is_node_like(FOUND, end, LabelSelector())
    assert is_node_like(FOUND, end, LabelSelector(match_labels={"rack": "r1"}))
    assert not is_node_like(FOUND, end, LabelSelector(match_labels={"rack": "r2"}))
    assert not is_node_like(FOUND, end_of(FOUND, None, "10.244.0.1", DNS), LabelSelector())


def test_a_pod_selector_alone_means_one_namespace() -> None:
    end = end_of(FOUND, None, "10.244.0.2", DNS)
    assert is_selected(FOUND, end, namespaces=None, pods=LabelSelector(), own="default")
    assert not is_selected(FOUND, end, namespaces=None, pods=LabelSelector(), own="shop")


@pytest.mark.parametrize(
    ("address", "prefix", "inside"),
    [
        ("10.0.0.1", "10.0.0.0/8", True),
        ("10.0.0.1", "10.9.9.9/8", True),
        ("11.0.0.1", "10.0.0.0/8", False),
        ("fd00::1", "10.0.0.0/8", False),
        ("10.0.0.1", "nonsense", False),
        ("", "0.0.0.0/0", False),
    ],
)
def test_prefixes(address: str, prefix: str, *, inside: bool) -> None:
    assert is_inside(address, prefix) is inside
    assert is_prefix(prefix) is (prefix != "nonsense")


def test_a_star_stands_for_one_or_more_labels() -> None:
    names = {"a.b.example.": ("203.0.113.1",)}
    assert has_name("203.0.113.1", ("*.example",), names)
    assert has_name("203.0.113.1", ("*.B.example",), names)
    assert not has_name("203.0.113.1", ("*.a.b.example", "b.example"), names)
    assert not has_name("203.0.113.2", ("*.example",), names)
