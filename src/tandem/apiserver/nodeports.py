"""Node ports and the other fields that the type of a Service brings with it. Pure: ports in use in, a changed spec out.

Nothing is reserved apart from the objects: a port is free again when its Service is gone or no longer asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tandem.apiserver.services import AddressError

Raw = dict[str, Any]
NodePort = tuple[str, int]
FIRST: Final = 30000
LAST: Final = 32767
OUTWARD: Final = frozenset({"NodePort", "LoadBalancer"})
_DAY: Final = 86400
_POLICIES: Final = ("Cluster", "Local")


def used_ports(specs: Iterable[Raw]) -> frozenset[NodePort]:
    """Protocol and number of every node port that these Service specs hold, those of health checks among them."""
    held: set[NodePort] = set()
    for spec in specs:
        held |= {(_protocol(p), p["nodePort"]) for p in spec.get("ports") or () if p.get("nodePort")}
        if spec.get("healthCheckNodePort"):
            held.add(("TCP", spec["healthCheckNodePort"]))
    return frozenset(held)


def with_node_ports(spec: Raw, old: Raw | None, taken: frozenset[NodePort]) -> Raw:
    """`spec` with its node ports and the defaults of its type; `old` is the spec before an update."""
    kind = spec.get("type") or "ClusterIP"
    if kind == "ExternalName":
        return spec
    spec = _with_affinity(_with_policies(spec, outward=kind in OUTWARD or bool(spec.get("externalIPs"))))
    before = {(_protocol(p), p["port"]): p["nodePort"] for p in (old or {}).get("ports") or () if p.get("nodePort")}
    if kind not in OUTWARD and not spec.get("ports"):
        return spec
    if kind not in OUTWARD:
        left = [_without(p, before, f"spec.ports[{i}]") for i, p in enumerate(spec.get("ports") or ())]
        return _with_health_port({**spec, "ports": left}, old or {}, set(taken))
    wanted = kind == "NodePort" or spec.get("allocateLoadBalancerNodePorts") is not False
    if kind == "LoadBalancer":
        spec = {"allocateLoadBalancerNodePorts": True, **spec}
    held = set(taken)
    ports: list[Raw] = []
    asked = [{**p, "nodePort": p.get("nodePort") or before.get((_protocol(p), p["port"]), 0)} for p in spec["ports"]]
    for i, port in enumerate(asked):  # those asked for come first, so that none is given away before
        if port["nodePort"]:
            _check(port, held, f"spec.ports[{i}].nodePort", kept=port["nodePort"] in before.values())
            held.add((_protocol(port), port["nodePort"]))
    for port in asked:
        number = port.pop("nodePort") or (_free(_protocol(port), held) if wanted else 0)
        held.add((_protocol(port), number))
        ports.append({**port, "nodePort": number} if number else port)
    return _with_health_port({**spec, "ports": ports}, old or {}, held)


def _with_health_port(spec: Raw, old: Raw, held: set[NodePort]) -> Raw:
    """A load balancer with the external policy Local has a port on which each node tells of its endpoints."""
    at, before = "spec.healthCheckNodePort", old.get("healthCheckNodePort") or 0
    asked = spec.get("healthCheckNodePort") or 0
    if spec.get("type") != "LoadBalancer" or spec.get("externalTrafficPolicy") != "Local":
        if asked and asked != before:
            raise AddressError(f"{at}: may only be used when `type` is 'LoadBalancer' and the external policy 'Local'")
        return {k: v for k, v in spec.items() if k != "healthCheckNodePort"}
    if before and asked and asked != before:
        raise AddressError(f"{at}: may not be changed once it is set")
    if asked and not before:
        _check({"nodePort": asked}, held, at, kept=False)
    return {**spec, "healthCheckNodePort": asked or before or _free("TCP", held)}


def _protocol(port: Raw) -> str:
    return port.get("protocol") or "TCP"


def _without(port: Raw, before: dict[NodePort, int], at: str) -> Raw:
    """A port that the type before had goes; one that is asked for now is a mistake."""
    number = port.get("nodePort") or 0
    if number and number not in before.values():
        raise AddressError(f"{at}.nodePort: may not be used when `type` is 'ClusterIP'")
    return {k: v for k, v in port.items() if k != "nodePort"}


def _check(port: Raw, held: set[NodePort], at: str, *, kept: bool) -> None:
    number = port["nodePort"]
    if not kept and not FIRST <= number <= LAST:
        raise AddressError(f"{at}: {number} is not in the range of node ports, {FIRST}-{LAST}")
    if (_protocol(port), number) in held:
        raise AddressError(f"{at}: {number} ({_protocol(port)}) is allocated already")


def _free(protocol: str, held: set[NodePort]) -> int:
    for number in range(FIRST, LAST + 1):
        if (protocol, number) not in held:
            return number
    raise AddressError(f"spec.ports: no node port is left in {FIRST}-{LAST}")


def _with_policies(spec: Raw, *, outward: bool) -> Raw:
    for field, allowed in (("internalTrafficPolicy", True), ("externalTrafficPolicy", outward)):
        value = spec.get(field)
        if value and value not in _POLICIES:
            raise AddressError(f"spec.{field}: {value!r} must be one of {', '.join(_POLICIES)}")
        if not allowed and value:
            spec = {k: v for k, v in spec.items() if k != field}
        elif allowed and not value:
            spec = {**spec, field: "Cluster"}
    return spec


def _with_affinity(spec: Raw) -> Raw:
    affinity = spec.get("sessionAffinity") or "None"
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    if affinity not in {"None", "ClientIP"}:
        raise AddressError(f"spec.sessionAffinity: {affinity!r} must be one of None, ClientIP")
    if affinity == "None":
        rest = {k: v for k, v in spec.items() if k != "sessionAffinityConfig"}
        return {**rest, "sessionAffinity": "None"}
    seconds = config.get("timeoutSeconds", 10800)
    if not 0 < seconds <= _DAY:
        raise AddressError(
            f"spec.sessionAffinityConfig.clientIP.timeoutSeconds: {seconds} must lie between 1 and {_DAY}"
        )
    return {**spec, "sessionAffinity": affinity, "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": seconds}}}
