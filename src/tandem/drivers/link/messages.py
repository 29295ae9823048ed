"""PodLink -> what is said to the kernel of it. Pure; `index` is that of the link in the namespace that is spoken to."""

from __future__ import annotations

from collections.abc import Iterable

from tandem.base.addresses import EVERYTHING, IPV4, host_prefix
from tandem.drivers.link import devices, rtnl
from tandem.drivers.link.rtnl import Message, RouteSpec
from tandem.drivers.link.shaping import token_bucket
from tandem.state.devices import DeviceAddress
from tandem.state.links import PodLink
from tandem.state.ownership import LOCAL_MARKS, POD_ROUTE_TABLE


def host_messages(link: PodLink, index: int) -> list[Message]:
    """The host end comes up, with a neighbour entry and a route for each address of the pod."""
    messages = [rtnl.set_up(index)]
    for address in link.addresses:
        messages.append(rtnl.neighbour(address, link.mac, index))
        spec = RouteSpec(prefix=host_prefix(address), dev=index, source=link.hop_of(address).source)
        messages.append(rtnl.route(spec, add=True))
    return messages


def pod_messages(link: PodLink, index: int) -> list[Message]:
    """Everything inside the pod's namespace."""
    messages = [rtnl.no_path_check(i) for i in (rtnl.LOOPBACK_INDEX, index)]
    messages += [rtnl.set_up(i) for i in (rtnl.LOOPBACK_INDEX, index)]
    for address in link.addresses:
        within = DeviceAddress(dev=link.ifname, prefix=link.prefix_of(address))
        messages.append(
            devices.address(within, index, add=True) if link.bridge else rtnl.address(address, index, add=True)
        )
    for hop in link.hops:
        messages.append(rtnl.neighbour(hop.gateway, link.host_mac, index))
        if hop.version == IPV4:  # a link-local next hop of IPv6 is on the link as it is
            messages.append(rtnl.route(RouteSpec(prefix=host_prefix(hop.gateway), dev=index), add=True))
        messages.append(rtnl.route(RouteSpec(prefix=EVERYTHING[hop.version], dev=index, via=hop.gateway), add=True))
    limit = link.shaping
    if limit.egress_rate:
        messages.append(token_bucket(index, rate=limit.egress_rate, burst=limit.egress_burst, mtu=link.mtu))
    return messages + (local_delivery(link.versions, add=True) if link.captured else [])


def ingress_limit(link: PodLink, index: int) -> Message:
    """What the pod may receive, at the host end."""
    limit = link.shaping
    return token_bucket(index, rate=limit.ingress_rate, burst=limit.ingress_burst, mtu=link.mtu)


def local_delivery(versions: Iterable[int], *, add: bool) -> list[Message]:
    """Rules and routes by which what Envoy marks stays in the pod, for each of these families.

    A namespace that has had a rule of its own looks up each route by way of them for ever after, and the way back of
    what comes in as well: 3 us for a connection. So no pod outside the mesh gets one.
    """
    messages = []
    for version in versions:
        messages += [rtnl.mark_rule(mark, POD_ROUTE_TABLE, version=version, add=add) for mark in LOCAL_MARKS]
        spec = RouteSpec(
            prefix=EVERYTHING[version], dev=rtnl.LOOPBACK_INDEX, type=rtnl.RTN_LOCAL, table=POD_ROUTE_TABLE
        )
        messages.append(rtnl.route(spec, add=add))
    return messages
