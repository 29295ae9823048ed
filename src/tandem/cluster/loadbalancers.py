"""World and a pool -> writes: every Service of type LoadBalancer gets an address of the pool in its status.

An address stays with its Service as long as it is in the pool and nobody else has it; `spec.loadBalancerIP` is
honoured where it is free. Services of a class (`spec.loadBalancerClass`) belong to another implementation and are
left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from tandem.cluster.writes import Patch
from tandem.model import core
from tandem.model.world import World


def parse_pool(cidr: str) -> IPv4Network:
    """The pool of `--lb-pool`; ValueError says what is wrong with it."""
    try:
        return IPv4Network(cidr)
    except ValueError as err:
        raise ValueError(f"{cidr}: no IPv4 network for --lb-pool: {err}") from err


def assign_balancers(world: World, pool: IPv4Network | None) -> tuple[Patch, ...]:
    """Patches of status.loadBalancer, in the order of the Services' names; a Service that finds none free waits."""
    if pool is None:
        return ()
    services = world.sorted(core.Service)
    wanting = [s for s in services if _ours(s)]
    given: dict[tuple[str, str], str] = {}
    for service in wanting:  # those that have one first, so that a newcomer takes nothing away
        held = _held(service)
        if held and held not in given.values() and _fits(held, service, pool):
            given[service.key] = held
    for service in wanting:
        if service.key not in given:
            free = (a for a in _candidates(service, pool) if a not in given.values())
            given[service.key] = next(free, "")
    return tuple(_patch(s, given.get(s.key, "")) for s in services if _differs(s, given))


def _ours(service: core.Service) -> bool:
    spec = service.spec
    return spec.type == "LoadBalancer" and not spec.load_balancer_class and not service.metadata.deletion_timestamp


def _held(service: core.Service) -> str:
    return next((i.ip for i in service.status.load_balancer.ingress if i.ip), "")


def _fits(address: str, service: core.Service, pool: IPv4Network) -> bool:
    asked = service.spec.load_balancer_ip
    return IPv4Address(address) in pool and (not asked or asked == address)


def _candidates(service: core.Service, pool: IPv4Network) -> Iterator[str]:
    asked = service.spec.load_balancer_ip
    if not asked:
        yield from map(str, pool.hosts())
    elif _parsed(asked) in pool:
        yield asked


def _parsed(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        return IPv4Address(0)


def _differs(service: core.Service, given: dict[tuple[str, str], str]) -> bool:
    if service.key in given:
        return _held(service) != given[service.key]
    # A Service that is no longer of this type gives its address back; one of another class is not ours to touch.
    return bool(_held(service)) and service.spec.type != "LoadBalancer"


def _patch(service: core.Service, address: str) -> Patch:
    ingress = [{"ip": address, "ipMode": "VIP"}] if address else []
    namespace, name = service.key
    patch = {"status": {"loadBalancer": {"ingress": ingress}}}
    return Patch(kind="Service", namespace=namespace, name=name, patch=patch, subresource="status")
