"""Node ports, traffic policies, affinity and vanished UDP endpoints on the real kernel, dialled from outside."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netns.servicelab import CLIENT, FAR, NODE, OUTSIDE, A, B, ServiceLab, serving
from netns.talkers import datagrams_to
from tandem.drivers.nft.real import Libnftables

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def node() -> Iterator[ServiceLab]:
    with serving() as lab:
        yield lab


def test_a_node_port_is_served_to_outside_and_keeps_the_client_of_an_endpoint_here(node: ServiceLab) -> None:
    for policy in ("Cluster", "Local"):
        node.serve(A, externalTrafficPolicy=policy)
        assert node.ask(node.outside, NODE, 30080) == [f"10.244.0.2 {OUTSIDE}"]


def test_policy_local_drops_where_cluster_sends_on_to_another_node(node: ServiceLab) -> None:
    node.serve(FAR, externalTrafficPolicy="Local")
    assert node.ask(node.outside, NODE, 30080) == ["timeout"]
    assert node.ask(node.netns_of(CLIENT), NODE, 30080) == ["10.245.0.2 10.244.0.4"]
    node.serve(FAR, externalTrafficPolicy="Cluster")
    assert node.ask(node.outside, NODE, 30080) == [f"10.245.0.2 {NODE}"]


def test_pods_and_the_node_itself_reach_the_node_port(node: ServiceLab) -> None:
    node.serve(A)
    assert node.ask(node.netns_of(CLIENT), NODE, 30080) == ["10.244.0.2 10.244.0.4"]
    assert node.ask(node.node, NODE, 30080)[0].startswith("10.244.0.2 ")
    assert node.ask(node.node, "127.0.0.1", 30080) == ["refused"]
    assert node.ask(node.netns_of(A), NODE, 30080)[0].startswith("10.244.0.2 ")


def test_a_node_port_without_endpoints_and_an_unknown_port_refuse_at_once(node: ServiceLab) -> None:
    node.serve()
    assert node.ask(node.outside, NODE, 30080) == ["refused"]
    node.serve(A)
    assert node.ask(node.netns_of(CLIENT), "10.96.0.20", 81) == ["refused"]


def test_affinity_holds_over_fifty_connections_and_over_a_change_of_endpoints(node: ServiceLab) -> None:
    node.serve(A, B, sessionAffinity="ClientIP")
    found = {line.split()[0] for line in node.ask(node.netns_of(CLIENT), "10.96.0.20", 80, 50)}
    assert len(found) == 1
    chosen, other = (A, B) if found == {"10.244.0.2"} else (B, A)
    node.serve(A, B, FAR, sessionAffinity="ClientIP")
    assert {line.split()[0] for line in node.ask(node.netns_of(CLIENT), "10.96.0.20", 80, 20)} == found
    node.serve(other, sessionAffinity="ClientIP")
    assert node.ask(node.netns_of(CLIENT), "10.96.0.20", 80)[0].startswith(other.addresses[0])
    node.serve(other, chosen, sessionAffinity="ClientIP")
    again = {line.split()[0] for line in node.ask(node.netns_of(CLIENT), "10.96.0.20", 80, 20)}
    assert again == {other.addresses[0]}


def test_affinity_outlives_the_agent(node: ServiceLab) -> None:
    """A new agent replaces the table; each time there would be one chance in two to go elsewhere."""
    node.serve(A, B, sessionAffinity="ClientIP")
    before = [node.ask(node.netns_of(CLIENT), "10.96.0.20", 80), node.ask(node.outside, NODE, 30080)]
    for _ in range(6):
        node.nft = Libnftables(node.path)
        node.serve(A, B, sessionAffinity="ClientIP")
        assert [node.ask(node.netns_of(CLIENT), "10.96.0.20", 80), node.ask(node.outside, NODE, 30080)] == before


def test_affinity_holds_at_the_node_port(node: ServiceLab) -> None:
    node.serve(A, B, sessionAffinity="ClientIP")
    assert len(set(node.ask(node.outside, NODE, 30080, 50))) == 1


def test_a_udp_flow_leaves_an_endpoint_that_is_gone(node: ServiceLab) -> None:
    node.serve(A)
    with node.python(node.netns_of(CLIENT), datagrams_to("10.96.0.20")) as talker:
        assert talker.stdin
        assert talker.stdout

        def say() -> str:
            assert talker.stdin
            assert talker.stdout
            talker.stdin.write("\n")
            talker.stdin.flush()
            return talker.stdout.readline().strip()

        assert say() == "10.244.0.2 10.244.0.4"
        node.serve(B)
        assert say() == "10.244.0.3 10.244.0.4"
