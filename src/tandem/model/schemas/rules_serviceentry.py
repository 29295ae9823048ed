"""ServiceEntry, WorkloadEntry and Sidecar beyond the form of single fields, as istiod's admission judges them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from tandem.base.addresses import is_address
from tandem.model.schemas.istioforms import (
    SOCKET,
    block_fault,
    each,
    exports,
    host_fault,
    is_label,
    name_fault,
    protocol_fault,
    scoped_host_fault,
    socket_fault,
)
from tandem.model.schemas.rules_istiogateway import SECURE
from tandem.model.schemas.rules_kubernetes import Rule, repeated

NAMED: Final = ("DNS", "DNS_ROUND_ROBIN")
DYNAMIC: Final = "DYNAMIC_DNS"
TELLING: Final = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB", *SECURE)
"""Protocols in which a request or session says which host it is for."""
OF_NAMES: Final = ("HTTP", "HTTP2", "GRPC", "TLS", "HTTPS")
LOCAL: Final = re.compile(r"(|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\]):(?P<port>[0-9]{1,5})")
WAYPOINT: Final = "istio.io/use-waypoint"
_NO_TLS: Final = ("subjectAltNames", "httpsRedirect", "credentialName", "credentialNames", "tlsCertificates")


def _service_entry(raw: dict[str, Any], _: str) -> Iterator[str]:
    yield from exports(raw, nobody=True)
    spec = raw["spec"]
    waypoint = ((raw.get("metadata") or {}).get("labels") or {}).get(WAYPOINT, "none")
    if spec.get("resolution") == DYNAMIC and spec.get("location") == "MESH_INTERNAL" and waypoint.lower() != "none":
        yield f"spec.location: MESH_INTERNAL may not be given together with {DYNAMIC} and a waypoint"


def _entry(raw: dict[str, Any], at: str) -> Iterator[str]:
    hosts, resolution = raw["hosts"], raw.get("resolution") or "NONE"
    if not hosts:
        yield f"{at}.hosts: at least one host is required"
    yield from each(hosts, f"{at}.hosts", lambda host: "is every host" if host == "*" else host_fault(host))
    yield from each(raw.get("addresses"), f"{at}.addresses", block_fault)
    yield from _ports(raw, at)
    if "workloadSelector" in raw and raw.get("endpoints") is not None:
        yield f"{at}.endpoints: may not be given together with workloadSelector"
    if resolution not in {"NONE", "STATIC"} and any("/" in text for text in raw.get("addresses") or ()):
        yield f"{at}.addresses: prefixes go with the resolutions NONE and STATIC alone"
    yield from _endpoints(raw, at, resolution)
    if resolution == DYNAMIC:
        yield from _dynamic(raw, at)
    if resolution != "NONE" and len(hosts) > 1:
        for i, port in enumerate(raw.get("ports") or []):
            if (port.get("protocol") or "TCP").upper() not in TELLING:
                yield f"{at}.ports[{i}].protocol: does not tell hosts apart, and {at}.hosts has several"
                return


def _ports(raw: dict[str, Any], at: str) -> Iterator[str]:
    ports = raw.get("ports") or []
    yield from repeated((f"{at}.ports[{i}].name", port["name"]) for i, port in enumerate(ports))
    yield from repeated((f"{at}.ports[{i}].number", port["number"]) for i, port in enumerate(ports))
    for i, port in enumerate(ports):
        yield from _port(port, f"{at}.ports[{i}]")


def _port(port: dict[str, Any], at: str) -> Iterator[str]:
    """Of what has a protocol, and a name or none."""
    if port.get("name") and not is_label(port["name"]):
        yield f"{at}.name: {port['name']!r} is not a DNS label"
    if wrong := protocol_fault(port.get("protocol") or ""):
        yield f"{at}.protocol: {wrong}"


def _endpoints(raw: dict[str, Any], at: str, resolution: str) -> Iterator[str]:
    endpoints = raw.get("endpoints") or []
    if endpoints and resolution in {"NONE", DYNAMIC}:
        yield f"{at}.endpoints: with the resolution {resolution} there are none"
    if resolution == "DNS_ROUND_ROBIN" and len(endpoints) > 1:
        yield f"{at}.endpoints: with the resolution {resolution} there is at most one"
    if resolution in NAMED and not endpoints and "workloadSelector" not in raw:
        for i, host in enumerate(raw["hosts"]):
            if host.startswith("*"):
                yield f"{at}.hosts[{i}]: with the resolution {resolution} {host!r} needs endpoints"
    for i, endpoint in enumerate(endpoints):
        yield from _endpoint(endpoint, f"{at}.endpoints[{i}]", resolution, {p["name"] for p in raw.get("ports") or []})


def _endpoint(raw: dict[str, Any], at: str, resolution: str, ports: set[str]) -> Iterator[str]:
    """`ports`: names of those of the entry."""
    address = raw.get("address") or ""
    socket = address.startswith(SOCKET)
    if resolution == "STATIC" and address and not is_address(address) and not socket:
        yield f"{at}.address: {address!r} is no IP address: names go with the resolution DNS"
    if resolution in NAMED and (socket or not address):
        yield f"{at}.address: {address!r} is neither an IP address nor a domain name"
    if socket and len(ports) != 1:
        yield f"{at}.address: a socket of the file system is one port, and the entry has {len(ports)}"
    for name in sorted((raw.get("ports") or {}).keys() - ports):
        yield f"{at}.ports[{name}]: the entry has no port {name!r}"


def _dynamic(raw: dict[str, Any], at: str) -> Iterator[str]:
    for i, host in enumerate(raw["hosts"]):
        if not host.startswith("*"):
            yield f"{at}.hosts[{i}]: {host!r} is one name, and the resolution {DYNAMIC} is for wildcards"
    if raw.get("addresses"):
        yield f"{at}.addresses: with the resolution {DYNAMIC} there are none"
    for i, port in enumerate(raw.get("ports") or []):
        if (port.get("protocol") or "TCP").upper() not in OF_NAMES:
            yield f"{at}.ports[{i}].protocol: with the resolution {DYNAMIC} one of {', '.join(OF_NAMES)}"


def _workload(raw: dict[str, Any], at: str) -> Iterator[str]:
    address = raw.get("address") or ""
    if not address and not raw.get("network"):
        yield f"{at}.address: is required"
    if wrong := socket_fault(address):
        yield f"{at}.address: {wrong}"
    elif address and not address.startswith(SOCKET) and not is_address(address) and name_fault(address):
        yield f"{at}.address: {address!r} is neither an IP address nor a domain name"
    if address.startswith(SOCKET) and raw.get("ports"):
        yield f"{at}.ports: a socket of the file system has none"
    for name in raw.get("ports") or {}:
        if not is_label(name):
            yield f"{at}.ports[{name}]: {name!r} is not the name of a port"


def _sidecar(raw: dict[str, Any], at: str) -> Iterator[str]:
    ingress, egress = raw.get("ingress") or [], raw.get("egress") or []
    if not ingress and not egress and not {"outboundTrafficPolicy", "inboundConnectionPool"} & {*raw}:
        yield f"{at}: says nothing"
    for side, listeners in (("ingress", ingress), ("egress", egress)):
        ports = ((f"{at}.{side}[{i}].port.number", (one.get("port") or {}).get("number"))
                 for i, one in enumerate(listeners))  # fmt: skip
        yield from repeated(ports)
    for i, listener in enumerate(egress[:-1]):
        if "port" not in listener:
            yield f"{at}.egress[{i}].port: is required of all listeners but the last"


def _ingress(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _port(raw["port"], f"{at}.port")
    if "number" not in raw["port"]:
        yield f"{at}.port.number: is required"
    yield from _bind(raw, at)
    endpoint = raw.get("defaultEndpoint") or ""
    found = LOCAL.fullmatch(endpoint)
    if endpoint.startswith(SOCKET):
        if wrong := socket_fault(endpoint):
            yield f"{at}.defaultEndpoint: {wrong}"
    elif endpoint and (found is None or not 0 < int(found["port"]) < 1 << 16):
        yield f"{at}.defaultEndpoint: {endpoint!r} is not one of 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT"
    tls = raw.get("tls")
    if tls is None:
        return
    for name in (n for n in _NO_TLS if tls.get(n)):
        yield f"{at}.tls.{name}: is for gateways"
    if str(tls.get("mode")) in {"ISTIO_MUTUAL", "AUTO_PASSTHROUGH"}:
        yield f"{at}.tls.mode: {tls['mode']} is for gateways"
    if (raw["port"].get("protocol") or "").upper() not in SECURE:
        yield f"{at}.tls: belongs to HTTPS and TLS"


def _egress(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["hosts"]:
        yield f"{at}.hosts: at least one is required"
    yield from each(raw["hosts"], f"{at}.hosts", lambda host: scoped_host_fault(host, but=True))
    port, bind = raw.get("port"), raw.get("bind") or ""
    if port is None:
        return
    yield from _port(port, f"{at}.port")
    if "number" in port:
        yield from _bind(raw, at)
    elif not bind.startswith(SOCKET):
        yield f"{at}.port.number: is required"
    elif wrong := socket_fault(bind):
        yield f"{at}.bind: {wrong}"


def _bind(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("bind") and not is_address(raw["bind"]):
        yield f"{at}.bind: {raw['bind']!r} is no IP address"


def _outbound(raw: dict[str, Any], at: str) -> Iterator[str]:
    proxy = raw.get("egressProxy")
    if proxy is None:
        return
    if raw.get("mode") != "ALLOW_ANY":
        yield f"{at}.egressProxy: belongs to the mode ALLOW_ANY"
    if name_fault(proxy["host"]):
        yield f"{at}.egressProxy.host: {proxy['host']!r} is not a domain name"
    if "port" not in proxy:
        yield f"{at}.egressProxy.port: is required"


RULES: Final[dict[str, Rule]] = {
    "ServiceEntry": _service_entry,
    "SeSpec": _entry,
    "WeSpec": _workload,
    "ScSpec": _sidecar,
    "ScIngress": _ingress,
    "ScEgress": _egress,
    "ScOutbound": _outbound,
}
