"""What a domain name is to a pod: a Service of the cluster, a pod behind one, a name outside, or nothing.

In: the World and a name as an application writes it. Out: a Meaning. The search list is that of `ClusterFirst`: names
below the pod's namespace, `svc` and the cluster domain first, then the name as it is written. What the cluster's DNS
answers follows "Kubernetes DNS-Based Service Discovery", 1.1.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from tandem.model import core
from tandem.model.world import World

_NDOTS: Final = 5
_LEVELS: Final = 3
"""SERVICE.NAMESPACE.svc, before the cluster domain."""
_ALIASES: Final = 8
"""How many aliases in a row are followed."""


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """One of `service`, `address` (of a pod behind a headless Service) and `outside` (a name), or none of them."""

    name: str
    """The whole name that has the answer; of what is missing, the name as it was written."""
    service: core.Service | None = None
    address: str = ""
    outside: str = ""
    missing: str = ""
    """Why it is no name of the cluster; empty where it could not have been meant as one."""
    alias: core.Service | None = None
    """The Service of type ExternalName that led there."""


def look_up(world: World, text: str, namespace: str, domain: str = "cluster.local") -> Meaning:
    """`text`: the name as it is written, with the dot at its end or without; `namespace`: the pod's."""
    name, outside = text.lower(), ""
    missing: dict[str, str] = {}
    for candidate in _candidates(name, namespace, domain):
        if not candidate.endswith(f".{domain}"):
            outside = candidate
            continue
        found = _inside(world, candidate, domain, _ALIASES)
        if not found.missing:
            return found
        missing[candidate] = found.missing
    why = missing[min(missing, key=lambda each: _unlike(each, name, domain))] if missing else ""
    last = outside.split(".")[-1]
    if last == "svc":  # what nobody outside has
        outside = ""
    elif outside and last not in world.namespace_labels:
        why = ""
    return Meaning(name=name.removesuffix("."), outside=outside, missing=why)


def _unlike(candidate: str, name: str, domain: str) -> int:
    """Of the names that were asked for the one that looks most like a Service's is what was meant."""
    if candidate == name.removesuffix("."):
        return 0
    labels = candidate.removesuffix(f".{domain}").split(".")
    return 1 + abs(len(labels) - _LEVELS) if labels[-1] == "svc" else len(candidate)


def _candidates(name: str, namespace: str, domain: str) -> Iterator[str]:
    """In the order in which a resolver asks (resolv.conf(5))."""
    bare = name.removesuffix(".")
    if name.endswith("."):
        yield bare
        return
    searched = [f"{bare}.{suffix}" for suffix in (f"{namespace}.svc.{domain}", f"svc.{domain}", domain)]
    yield from ((bare, *searched) if bare.count(".") >= _NDOTS else (*searched, bare))


def _inside(world: World, name: str, domain: str, aliases: int) -> Meaning:
    labels = name.removesuffix(f".{domain}").split(".")
    if labels[-1] != "svc" or len(labels) not in {3, 4}:
        return Meaning(name=name, missing=f"{name} is no name of a Service: those are SERVICE.NAMESPACE.svc.{domain}")
    space, called = labels[-2], labels[-3]
    service = world.get(core.Service, space, called)
    if service is None:
        return Meaning(name=name, missing=f"there is no Service {space}/{called}{_like(world, space, called)}")
    if service.spec.type == "ExternalName":
        return _alias(world, name, service, domain, aliases)
    if len(labels) == 3:
        return Meaning(name=name, service=service)
    for piece in world.slices_by_service.get(service.key, ()) if service.spec.cluster_ip == "None" else ():
        for end in piece.endpoints:
            address = end.addresses[0]
            host = end.hostname.lower() or address.replace(".", "-").replace(":", "-")
            if host == labels[0] and end.conditions.ready is not False:
                return Meaning(name=name, address=address)
    return Meaning(name=name, missing=f"no ready endpoint of Service {space}/{called} is named {labels[0]}")


def _alias(world: World, name: str, service: core.Service, domain: str, aliases: int) -> Meaning:
    target = service.spec.external_name.lower().removesuffix(".")
    if not target.endswith(f".{domain}"):
        return Meaning(name=name, outside=target, alias=service)
    if not aliases:
        return Meaning(name=name, missing=f"Service {'/'.join(service.key)} is an alias that leads round in a circle")
    return msgspec.structs.replace(_inside(world, target, domain, aliases - 1), alias=service)


def _like(world: World, namespace: str, name: str) -> str:
    """A Service of that name elsewhere, or of that namespace."""
    elsewhere = [s for s in world.sorted(core.Service) if s.metadata.name == name]
    here = [s for s in world.sorted(core.Service) if s.metadata.namespace == namespace]
    known = [f"{s.metadata.namespace}/{s.metadata.name}" for s in (elsewhere or here)[:3]]
    return f" (there is {', '.join(known)})" if known else ""
