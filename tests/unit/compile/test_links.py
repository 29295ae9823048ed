"""NodeView -> NodeNet, attachment -> PodLink."""

from __future__ import annotations

import msgspec
import pytest

from meshbuild import CONFIG
from tandem.base.ids import ContainerId, NodeName, PodUid, SpiffeId
from tandem.compile.addresses import mac_address
from tandem.compile.links import compile_node_net, compile_pod_link, with_segment
from tandem.ir.fabric import LocalPod, Node
from tandem.ir.network import Bgp, Encryption, Network
from tandem.ir.node import AttachedPod, ForeignLink, NodeView
from tandem.state.links import LAST_METRIC, HostSide, Route

HOST = HostSide(node="node-1", sources=("10.244.0.1",), mtu=1400)


def node(name: str, address: str, *cidrs: str) -> Node:
    return Node(name=NodeName(name), addresses=(address,) if address else (), pod_cidrs=cidrs)


def view(*others: Node) -> NodeView:
    own = node("node-1", "192.0.2.1", "10.244.0.0/24")
    return NodeView(node=own, config=CONFIG, nodes={n.name: n for n in (own, *others)})


def test_a_node_has_its_own_address_and_the_dns_address() -> None:
    assert compile_node_net(view()).addresses == ("10.244.0.1", "10.96.0.10")


def test_a_nodes_own_prefix_is_unreachable_but_for_its_pods() -> None:
    assert compile_node_net(view()).routes == (Route(prefix="10.244.0.0/24"),)


def test_other_nodes_prefixes_go_by_their_address() -> None:
    other = node("node-2", "192.0.2.2", "10.244.1.0/24")
    assert Route(prefix="10.244.1.0/24", via="192.0.2.2", mtu=1500) in compile_node_net(view(other)).routes


def test_a_node_without_an_address_gets_no_route() -> None:
    assert compile_node_net(view(node("node-2", "", "10.244.1.0/24"))) == compile_node_net(view())


def test_the_order_of_nodes_does_not_matter() -> None:
    a, b = node("a", "192.0.2.3", "10.244.3.0/24"), node("b", "192.0.2.2", "10.244.2.0/24")
    assert compile_node_net(view(a, b)) == compile_node_net(view(b, a))


def test_a_link_names_node_and_container_in_its_alias() -> None:
    link = compile_pod_link(ContainerId("c1"), "eth0", addresses=("10.244.0.5",), host=HOST)
    assert link.alias == "tandem:node-1:c1"
    assert len(link.host_ifname) == 13


def test_a_link_has_a_next_hop_of_each_family_of_its_addresses_and_no_other() -> None:
    host = HostSide(node="node-1", sources=("10.244.0.1", "fd00:10:244::1"), mtu=1400)

    def hops(*addresses: str) -> list[tuple[int, str, str]]:
        link = compile_pod_link(ContainerId("c1"), "eth0", addresses=addresses, host=host)
        return [(hop.version, hop.gateway, hop.source) for hop in link.hops]

    four, six = (4, "169.254.1.1", "10.244.0.1"), (6, "fe80::1", "fd00:10:244::1")
    assert hops("10.244.0.5") == [four]
    assert hops("fd00:10:244::5") == [six]
    assert hops("fd00:10:244::5", "10.244.0.5") == [four, six]
    assert hops() == []


def test_both_ends_have_different_stable_local_unicast_mac_addresses() -> None:
    one = compile_pod_link(ContainerId("c1"), "eth0", addresses=(), host=HOST)
    again = compile_pod_link(ContainerId("c1"), "eth0", addresses=(), host=HOST)
    assert (one.mac, one.host_mac) == (again.mac, again.host_mac)
    assert one.mac != one.host_mac
    assert int(mac_address("x")[:2], 16) & 3 == 2


def test_routes_to_other_nodes_have_the_mtu_of_pods_and_never_more_than_the_underlay_leaves() -> None:
    for wanted, found in ((0, 1500), (1400, 1400), (9000, 1500)):
        config = msgspec.structs.replace(CONFIG, network=Network(mtu=wanted))
        net = compile_node_net(
            msgspec.structs.replace(view(node("node-2", "192.0.2.2", "10.244.1.0/24")), config=config)
        )
        assert [r.mtu for r in net.routes] == [0, found]


@pytest.mark.parametrize(
    ("network", "devices"),
    [
        (Network(), []),
        (Network(bgp=Bgp(as_number=64512)), []),
        (Network(fabric="vxlan"), []),
        (Network(fabric="bridge"), ["td-br"]),
    ],
)
def test_with_encryption_there_is_no_way_between_nodes_but_the_tunnels_own_whatever_the_fabric(
    network: Network, devices: list[str]
) -> None:
    seen = view(node("node-2", "192.0.2.2", "10.244.1.0/24", "10.244.9.0/26"))
    network = msgspec.structs.replace(network, encryption=Encryption())
    net = compile_node_net(msgspec.structs.replace(seen, config=msgspec.structs.replace(CONFIG, network=network)))
    towards = {(r.prefix, r.via, r.dev, r.metric) for r in net.routes if r.prefix != "10.244.0.0/24"}
    assert towards == {(prefix, "", "", LAST_METRIC) for prefix in ("10.244.1.0/24", "10.244.9.0/26")}
    assert [device.name for device in net.devices] == devices
    assert (net.learns, net.neighbours, net.forwards) == (False, (), ())


def test_the_bridge_stays_as_long_as_pods_are_on_it_whatever_fabric_was_chosen_since() -> None:
    seen = view()
    pod = LocalPod(
        uid=PodUid("u"), namespace="a", name="p", service_account="d", identity=SpiffeId("spiffe://cluster.local/x")
    )
    old = AttachedPod(
        pod=pod, container_id=ContainerId("c"), addresses=("10.244.0.2",), host_ifname="td1", netns="", segment=True
    )
    net = compile_node_net(seen)
    assert with_segment(net, seen) is net
    assert [d.name for d in with_segment(net, msgspec.structs.replace(seen, pods=(old,))).devices] == ["td-br"]


def test_the_bridge_answers_for_pods_of_the_node_that_are_not_on_it() -> None:
    seen = view()
    pod = LocalPod(
        uid=PodUid("u"), namespace="a", name="p", service_account="d", identity=SpiffeId("spiffe://cluster.local/x")
    )
    both = ("10.244.0.2", "fd00::2")
    alone = AttachedPod(pod=pod, container_id=ContainerId("c"), addresses=both, host_ifname="td1", netns="")
    on_it = msgspec.structs.replace(alone, addresses=("10.244.0.3",), segment=True)
    behind = msgspec.structs.replace(alone, addresses=("10.88.0.2",), host_ifname="", foreign=ForeignLink(ifname="e"))
    net = compile_node_net(seen)

    def answered(*pods: AttachedPod) -> list[str]:
        made = with_segment(net, msgspec.structs.replace(seen, pods=pods))
        return [n.address for n in made.neighbours if (n.dev, n.mac) == ("td-br", "")]

    assert answered(alone, on_it, behind) == ["10.244.0.2", "fd00::2"]
    assert answered(alone, behind) == []
    assert answered(on_it, behind) == []
