"""Which UDP flows are stale when the endpoints of a Service change."""

from __future__ import annotations

import msgspec

from builders import endpoint_slice, pod, service, world
from gatewaybuild import datagrams, gateway, listener, port
from nodeviews import view_of
from tandem.compile.addresses import own_addresses
from tandem.ir.mesh import Backend
from tandem.ir.node import NodeView
from tandem.model.core import Pod
from tandem.observe.conntrack import Connection
from tandem.runtime.vanished import services_changed, stale_flows

A, B = pod("a", ip="10.244.0.2"), pod("b", ip="10.244.0.3")
FLOW = Connection(
    source="10.244.0.9",
    destination="10.244.0.2",
    protocol="UDP",
    port=53,
    dialled="10.96.0.20",
    original=b"",
    family=2,
)


def view(*pods: Pod) -> NodeView:
    ports = [{"port": 53, "protocol": "UDP", "nodePort": 30053}]
    dns = service("dns", ip="10.96.0.20", type="NodePort", ports=ports)
    return view_of(world(A, B, dns, endpoint_slice(dns, list(pods))))


def stale(before: NodeView, now: NodeView, flow: Connection) -> bool:
    judge = stale_flows(before, now)
    return judge is not None and judge(flow)


def test_a_flow_to_an_endpoint_that_is_gone_is_stale() -> None:
    assert stale(view(A, B), view(B), FLOW)
    assert stale(view(A, B), view(B), msgspec.structs.replace(FLOW, dialled="192.168.0.1"))


def test_a_flow_through_a_gateway_is_stale_once_its_route_leads_elsewhere() -> None:
    def through(*backends: str) -> NodeView:
        to = [Backend(namespace="default", service=name, port=53) for name in backends]
        return msgspec.structs.replace(view(A, B), gateways={"edge/edge": gateway(datagrams("dns", *to))})

    flow = msgspec.structs.replace(FLOW, dialled="192.0.2.65")
    assert services_changed(through("dns"), through())
    assert stale(through("dns"), through(), flow)
    assert not stale(through("dns"), through("dns", "gone"), flow)


def test_a_flow_of_http3_is_stale_once_the_gateway_takes_it_no_longer() -> None:
    def at(*, http3: bool) -> NodeView:
        one = msgspec.structs.replace(listener("l", "*", certificates=("c",)), http3=http3)
        edge = gateway(port(one, number=443, target=20443, tls=True))
        return msgspec.structs.replace(view(A), gateways={"edge/edge": edge})

    (own,) = own_addresses(at(http3=True).node.pod_cidrs).values()
    flow = msgspec.structs.replace(FLOW, dialled="192.0.2.65", destination=own, port=20443)
    assert stale(at(http3=True), at(http3=False), flow)
    assert not stale(at(http3=True), at(http3=True), flow)


def test_flows_to_others_and_of_other_protocols_stay() -> None:
    for other in (
        msgspec.structs.replace(FLOW, destination="10.244.0.3"),
        msgspec.structs.replace(FLOW, protocol="TCP"),
        msgspec.structs.replace(FLOW, dialled="10.244.0.2"),
    ):
        assert not stale(view(A, B), view(B), other)


def test_nothing_is_read_where_no_endpoint_went() -> None:
    assert not services_changed(view(A), view(A))
    assert stale_flows(view(A), view(A, B)) is None


def test_a_flow_that_began_before_there_was_an_endpoint_is_stale() -> None:
    assert stale(view(), view(A), msgspec.structs.replace(FLOW, destination="10.96.0.20"))
