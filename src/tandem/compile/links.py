"""NodeView -> NodeNet, and one attachment -> PodLink. Pure.

MAC addresses are digests, so each end knows the other's before either exists.
"""

from __future__ import annotations

from dataclasses import replace

from tandem.base.addresses import families, family
from tandem.base.ids import ContainerId
from tandem.compile import names
from tandem.compile.addresses import mac_address, node_address
from tandem.compile.fabric import fabric_of
from tandem.compile.fabric.interface import refused
from tandem.compile.fabric.mtu import pod_mtu, room
from tandem.compile.fabric.segment import segment_device
from tandem.ir.node import NodeView, bridged_pods
from tandem.state.devices import Neighbour
from tandem.state.links import PLAIN, Hop, HostSide, LinkOptions, NodeNet, PodLink, Route
from tandem.state.ownership import LINK_ALIAS


def compile_pod_link(
    container_id: ContainerId, ifname: str, *, addresses: tuple[str, ...], host: HostSide, options: LinkOptions = PLAIN
) -> PodLink:
    """The link of one attachment; the same input gives the same names and MAC addresses for ever."""
    host_ifname = names.host_ifname(container_id, ifname)
    return PodLink(
        container_id=container_id,
        ifname=ifname,
        host_ifname=host_ifname,
        alias=f"{LINK_ALIAS}{host.node}:{container_id}",
        addresses=addresses,
        mac=options.mac or mac_address(f"pod/{container_id}/{ifname}"),
        host_mac=mac_address(f"host/{container_id}/{ifname}"),
        mtu=host.mtu,
        hops=tuple(_hop(version, host) for version in families(addresses)),
        shaping=options.shaping,
        from_loopback=options.from_loopback,
        segment=host.segment,
        bridge=names.SEGMENT if host.segment else "",
    )


def _hop(version: int, host: HostSide) -> Hop:
    source = next((address for address in host.sources if family(address) == version), "")
    return Hop(version=version, gateway=names.GATEWAYS[version], source=source)


def with_segment(net: NodeNet, view: NodeView) -> NodeNet:
    """`net`, where pods on the bridge and pods that are not are on one node, because another fabric was chosen since.

    The bridge stays as long as a pod is on it. It answers for the pods that are not: those that are take the whole
    prefix of the node for their L2, and would ask in vain.
    """
    if not bridged_pods(view.pods):
        return net
    if not fabric_of(view.config.network).segment:
        net = replace(net, devices=tuple(sorted((*net.devices, segment_device(view, pod_mtu(view))))))
    alone = [a for pod in view.pods if not pod.segment and pod.foreign is None for a in pod.addresses]
    if not alone:
        return net
    answers = (Neighbour(dev=names.SEGMENT, address=address, mac="") for address in alone)
    return replace(net, neighbours=tuple(sorted((*net.neighbours, *answers))))


def compile_node_net(view: NodeView) -> NodeNet:
    """The node's own addresses, and where every pod prefix of the cluster lies.

    The node's own prefix is unreachable but for the host routes of its pods: a packet to an address that no pod has
    must not leave by the default route. With encryption the tunnel is the only way between nodes, whatever the fabric:
    its routes come with it, and until there is one, nothing is sent in clear.
    """
    mtu, network = pod_mtu(view), view.config.network
    fabric = fabric_of(network)
    parts = fabric.between(view, mtu) if network.encryption is None else NodeNet(routes=refused(view))
    segment = (segment_device(view, mtu),) if fabric.segment else ()
    # What the node itself sends, and the segment sizes that it lets pass, end where the path ends.
    lengths = (replace(route, mtu=route.mtu or min(mtu, room(view))) for route in parts.routes)
    routes = (*(Route(prefix=cidr) for cidr in view.node.pod_cidrs), *lengths)
    own = {node_address(cidr) for cidr in view.node.pod_cidrs}
    return NodeNet(
        addresses=tuple(sorted({*own, *view.config.dns_addresses})),
        routes=tuple(sorted(routes)),
        devices=tuple(sorted((*parts.devices, *segment))),
        on_devices=tuple(sorted(parts.on_devices)),
        neighbours=tuple(sorted(parts.neighbours)),
        forwards=tuple(sorted(parts.forwards)),
        learns=parts.learns,
    )
