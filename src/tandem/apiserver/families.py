"""`ipFamilies` and `ipFamilyPolicy` of a Service, as Kubernetes' API server settles them (KEP-563). Pure.

In: a spec and the one before an update, the families of the Service network by preference. Out: the families that the
Service has, in order, and its policy; FamilyError begins with the field path. The first family never changes; the
second comes and goes with the policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tandem.base.addresses import IPV4, IPV6, family

Raw = dict[str, Any]
NAMES: Final = {IPV4: "IPv4", IPV6: "IPv6"}
SINGLE: Final = "SingleStack"
PREFER: Final = "PreferDualStack"
REQUIRE: Final = "RequireDualStack"
POLICIES: Final = (SINGLE, PREFER, REQUIRE)
_FIELDS: Final = ("ipFamilies", "clusterIPs")


class FamilyError(ValueError):
    """A spec that cannot be served; the message begins with the field path."""


@dataclass(frozen=True, slots=True)
class Families:
    """What a Service has; `names` are `IPv4` and `IPv6` in its own order."""

    names: tuple[str, ...]
    policy: str


def settle(spec: Raw, old: Raw | None, available: tuple[int, ...]) -> Families:
    """The families of a Service that is no ExternalName."""
    spec = _inherited(spec, old or {})
    asked, addresses = _asked(spec), _addresses(spec)
    policy = _policy(spec, several=len(asked) > 1 or len(addresses) > 1)
    if policy == SINGLE and (old or {}).get("ipFamilyPolicy") in {PREFER, REQUIRE}:
        asked, addresses = _released(asked, addresses, old or {})
    _check_single(policy, asked, addresses)
    asked = _of_addresses(asked, addresses)
    known = tuple(NAMES[version] for version in available)
    # Headless and without a selector: its endpoints are anybody's, so both families, even where we serve one.
    foreign = spec.get("clusterIP") == "None" and not spec.get("selector")
    if foreign:
        policy, known = policy or REQUIRE, (*known, *(n for n in NAMES.values() if n not in known))
    policy = policy or SINGLE
    for i, name in enumerate(asked):
        if name not in known:
            raise FamilyError(f"spec.ipFamilies[{i}]: {name} is not configured on this cluster")
    if policy == REQUIRE and len(known) < len(NAMES):
        raise FamilyError("spec.ipFamilyPolicy: this cluster is not configured for dual-stack services")
    wanted = asked or known[:1]
    if policy != SINGLE:
        wanted = (*wanted, *(n for n in known if n not in wanted))
    first = next(iter((old or {}).get("ipFamilies") or ()), "")
    if first and wanted[0] != first:
        raise FamilyError(f"spec.ipFamilies[0]: may not be changed once it is set ({first})")
    return Families(tuple(wanted), policy)


def _inherited(spec: Raw, old: Raw) -> Raw:
    """An update that does not speak of families leaves them as they are."""
    kept = {name: old[name] for name in ("ipFamilyPolicy", "ipFamilies") if not spec.get(name) and old.get(name)}
    return {**spec, **kept}


def _asked(spec: Raw) -> tuple[str, ...]:
    found = tuple(spec.get("ipFamilies") or ())
    for i, name in enumerate(found):
        if name not in NAMES.values():
            raise FamilyError(f"spec.ipFamilies[{i}]: {name!r} is none of {', '.join(NAMES.values())}")
        if name in found[:i]:
            raise FamilyError(f"spec.ipFamilies[{i}]: {name} is there twice")
    return found


def _addresses(spec: Raw) -> tuple[str, ...]:
    found = tuple(a for a in spec.get("clusterIPs") or () if a != "None")
    if len(found) > len(NAMES):
        raise FamilyError(f"spec.clusterIPs: {len(found)} addresses; a Service has one of each family at most")
    if len({family(a) for a in found}) != len(found):
        raise FamilyError("spec.clusterIPs: two addresses are of two families")
    return found


def _policy(spec: Raw, *, several: bool) -> str:
    policy: str = spec.get("ipFamilyPolicy") or ""
    if policy and policy not in POLICIES:
        raise FamilyError(f"spec.ipFamilyPolicy: {policy!r} is none of {', '.join(POLICIES)}")
    return policy or (REQUIRE if several else "")


def _released(asked: tuple[str, ...], addresses: tuple[str, ...], old: Raw) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Back to one family: what was not touched beside the policy loses its second part."""
    same = [list(values) == list(old.get(name) or ()) for name, values in zip(_FIELDS, (asked, addresses), strict=True)]
    return asked[:1] if same[0] else asked, addresses[:1] if same[1] else addresses


def _check_single(policy: str, asked: tuple[str, ...], addresses: tuple[str, ...]) -> None:
    for name, values in zip(_FIELDS, (asked, addresses), strict=True):
        if policy == SINGLE and len(values) > 1:
            raise FamilyError(f"spec.ipFamilyPolicy: must be {PREFER} or {REQUIRE} when there are several {name}")


def _of_addresses(asked: tuple[str, ...], addresses: tuple[str, ...]) -> tuple[str, ...]:
    """The families that the addresses have, where none are named; where they are, both must agree."""
    found = list(asked)
    for i, address in enumerate(addresses):
        name = NAMES[family(address)]
        if i >= len(found):
            if name in found:
                raise FamilyError(f"spec.clusterIPs[{i}]: {address} is a second address of {name}")
            found.append(name)
        elif found[i] != name:
            raise FamilyError(f"spec.clusterIPs[{i}]: {address} is no {found[i]} address, as ipFamilies[{i}] has it")
    return tuple(found)
