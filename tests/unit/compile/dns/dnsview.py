"""A small NodeView for DNS, and dnspython on the client's side."""

from __future__ import annotations

import dns.message
import dns.rdatatype
import msgspec

from meshbuild import CONFIG
from tandem.base.ids import NodeName
from tandem.ir.fabric import AppProtocol, Endpoint, Endpoints, Node, Service, ServicePort
from tandem.ir.node import NodeView

HTTP = ServicePort(name="http", port=80, protocol="TCP", app=AppProtocol.HTTP)
DNS = ServicePort(name="dns", port=53, protocol="UDP", app=AppProtocol.UDP)


def service(name: str, *ips: str, ports: tuple[ServicePort, ...] = (HTTP,), external: str = "") -> Service:
    return Service(namespace="shop", name=name, cluster_ips=ips, ports=ports, external_name=external)


def endpoint(address: str, hostname: str = "", **ports: int) -> Endpoint:
    return Endpoint(address=address, ports=tuple(ports.items()), hostname=hostname)


def view(
    *services: Service, dns_addresses: tuple[str, ...] = ("10.96.0.10",), **endpoints: tuple[Endpoint, ...]
) -> NodeView:
    """Endpoints by service name, with `_` for `-`."""
    named = {name.replace("_", "-"): found for name, found in endpoints.items()}
    return NodeView(
        node=Node(name=NodeName("node-1"), addresses=("192.0.2.1",), pod_cidrs=("10.244.0.0/24",)),
        config=msgspec.structs.replace(
            CONFIG, dns_addresses=dns_addresses, service_cidrs=("10.96.0.0/16", "fd00:10:96::/112")
        ),
        services={f"shop/{s.name}": s for s in services},
        endpoints={f"shop/{n}": Endpoints(namespace="shop", service=n, endpoints=e) for n, e in named.items()},
    )


SHOP = view(
    service("web", "10.96.1.1"),
    service("names", "10.96.1.2", ports=(DNS,)),
    service("db"),
    service("both", "10.96.1.3", "fd00:10:96::103"),
    service("six"),
    service("empty"),
    service("out", external="example.org"),
    service("inner", external="web.shop.svc.cluster.local"),
    six=(endpoint("fd00:10:244::3", "six-0", http=80), endpoint("fd00:10:244::12", http=80)),
    web=(endpoint("10.244.0.9", http=8080),),
    db=(endpoint("10.244.0.12", http=5432), endpoint("10.244.0.3", "db-0", http=5432)),
)


def query(name: str, kind: str = "A", *, edns: int | None = None) -> dns.message.Message:
    """A query as a client makes it."""
    made = dns.message.make_query(name, kind)
    if edns is not None:
        made.use_edns(0, payload=edns)
    return made


def records(message: dns.message.Message) -> list[str]:
    """`TYPE data` of each answer."""
    return [f"{dns.rdatatype.to_text(rrset.rdtype)} {data}" for rrset in message.answer for data in rrset]
