"""The mesh's own trust domains, and what policies that name one of them mean. Pure.

Istio's rules: `cluster.local` stands for the mesh's own domain, whatever that is called, and its aliases
(`trustDomainAliases` of the mesh configuration) are names of it that policies may use. So a policy that was written for
one name counts for callers by each. Who is let in by another name is what a TrustSource says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tandem.ir.authz import Attribute
from tandem.model.world import World
from tandem.translate.mesh.istio.meshconfig import read_mesh_config
from tandem.translate.options import Options

FIELD: Final = "trustDomainAliases"
_OWN: Final = "cluster.local"
_PARTS: Final = 5
"""Of `DOMAIN/ns/NAMESPACE/sa/NAME`; another text names no domain."""

Domains = tuple[str, ...]
"""The mesh's own, and its aliases; nothing: whatever a policy names is meant as it stands."""


def read_domains(world: World, options: Options) -> Domains:
    """The domains of this mesh."""
    listed = read_mesh_config(world, options).fields.get(FIELD)
    aliases = [name for name in listed if isinstance(name, str) and name] if isinstance(listed, list) else []
    return tuple(dict.fromkeys((options.trust_domain, *aliases)))


def meant(attribute: Attribute, value: str, domains: Domains) -> tuple[str, ...]:
    """A value of a rule with every name of the domain that it names; any other value as it stands."""
    if attribute is Attribute.TRUST_DOMAIN:
        return domains if value in domains else (value,)
    named, *rest = value.split("/")
    if attribute is not Attribute.PRINCIPAL or len(rest) != _PARTS - 1 or named == "*" or not domains:
        return (value,)
    if named != _OWN and not any(_covers(named, domain) for domain in domains):
        return (value,)
    return tuple(dict.fromkeys(_principals(named, "/".join(rest), domains)))


def _principals(named: str, rest: str, domains: Domains) -> Iterator[str]:
    for domain in domains:
        wide = named.startswith("*") and domain.endswith(named[1:])
        yield f"{named if wide else domain}/{rest}"


def _covers(named: str, domain: str) -> bool:
    if named.startswith("*"):
        return domain.endswith(named[1:])
    return domain.startswith(named[:-1]) if named.endswith("*") else domain == named
