"""Host ports: what reaches a pod by the node's address, told by the tracer of compiled rules."""

from __future__ import annotations

import msgspec
import pytest

from meshbuild import CONFIG
from nfttrace import LOCAL, Packet, trace
from nodeviews import DNS, node
from tandem.base.ids import ContainerId, PodUid, SpiffeId
from tandem.compile.nft.hostports import hostport_state
from tandem.compile.nft.node import compile_nft
from tandem.ir.fabric import LocalPod, Service
from tandem.ir.node import AttachedPod, NodeView, PortMapping

POD, NODE, OUTSIDE = "10.244.0.5", "192.168.0.1", "203.0.113.9"
LINK = "td00000000001"
WEB = PortMapping(host_port=8080, container_port=80)


def view(*mappings: PortMapping) -> NodeView:
    identity = SpiffeId("spiffe://cluster.local/ns/shop/sa/default")
    pod = LocalPod(uid=PodUid("u"), namespace="shop", name="web", service_account="default", identity=identity)
    attached = AttachedPod(
        pod=pod,
        container_id=ContainerId("c"),
        addresses=(POD,),
        host_ifname=LINK,
        netns="/n",
        port_mappings=mappings,
    )
    return NodeView(node=node(), config=CONFIG, pods=(attached,))


def sent(packet: Packet, *mappings: PortMapping) -> tuple[str, str, int]:
    """Verdict, destination and port after every rule of the node."""

    def route(address: str) -> str:
        return LINK if address == POD else LOCAL if address in {NODE, DNS, "127.0.0.1"} else "eth0"

    found = trace(compile_nft(view(*mappings)), packet, route=route)
    return found.verdict, found.packet.daddr, found.packet.dport


def packet(daddr: str, dport: int = 8080, protocol: str = "tcp", **change: str) -> Packet:
    return msgspec.structs.replace(
        Packet(saddr=OUTSIDE, daddr=daddr, protocol=protocol, dport=dport, iifname="eth0"), **change
    )


def test_without_host_ports_there_is_nothing() -> None:
    assert hostport_state(view()) == hostport_state(view(*()))
    assert not hostport_state(view()).chains


def test_from_outside_the_nodes_address_leads_to_the_pod() -> None:
    assert sent(packet(NODE), WEB) == ("accept", POD, 80)


@pytest.mark.parametrize("address", [NODE, "127.0.0.1"])
def test_the_node_itself_reaches_the_pod_by_its_address_and_by_loopback(address: str) -> None:
    assert sent(packet(address, iifname="", saddr=address), WEB) == ("accept", POD, 80)


def test_what_comes_from_loopback_gets_a_source_that_the_pod_can_answer() -> None:
    def route(address: str) -> str:
        return LINK if address == POD else LOCAL

    found = trace(compile_nft(view(WEB)), packet("127.0.0.1", iifname="", saddr="127.0.0.1"), route=route)
    assert "hostport-source: host ports on 127.0.0.1" in found.path


def test_a_pod_reaches_itself_by_the_nodes_address() -> None:
    assert sent(packet(NODE, iifname=LINK, saddr=POD), WEB) == ("accept", POD, 80)


@pytest.mark.parametrize(("port", "protocol"), [(8081, "tcp"), (8080, "udp")])
def test_another_port_or_protocol_stays_with_the_node(port: int, protocol: str) -> None:
    assert sent(packet(NODE, port, protocol), WEB) == ("accept", NODE, port)


def test_another_hosts_address_is_not_ours_to_translate() -> None:
    assert sent(packet("198.51.100.1", iifname=LINK, saddr=POD), WEB)[1] == "198.51.100.1"


def test_a_mapping_of_port_53_does_not_take_the_clusters_dns() -> None:
    mapping = PortMapping(host_port=53, container_port=53, protocol="udp")
    assert sent(packet(DNS, 53, "udp", iifname=LINK, saddr=POD), mapping) == ("accept", DNS, 53)
    assert sent(packet(NODE, 53, "udp"), mapping) == ("accept", POD, 53)


def test_a_host_address_narrows_a_mapping_and_goes_before_one_for_all() -> None:
    narrow = PortMapping(host_port=8080, container_port=81, host_ip=NODE)
    assert sent(packet(NODE), narrow) == ("accept", POD, 81)
    assert sent(packet("127.0.0.1", iifname="", saddr="127.0.0.1"), narrow)[1] == "127.0.0.1"


def test_a_pod_cannot_speak_to_the_nodes_loopback() -> None:
    assert sent(packet("127.0.0.1", 22, iifname=LINK, saddr=POD), WEB)[0] == "drop"


def test_an_address_of_a_load_balancer_is_its_services_alone() -> None:
    balanced = Service(
        namespace="shop", name="lb", cluster_ips=("10.96.0.20",), ports=(), balancer_ips=("198.51.100.1",)
    )
    made = msgspec.structs.replace(view(WEB), services={"shop/lb": balanced})
    here = {NODE: LOCAL, "198.51.100.1": LOCAL, POD: LINK}
    found = trace(compile_nft(made), packet("198.51.100.1"), route=lambda address: here.get(address, "eth0"))
    assert found.verdict == "reject"
