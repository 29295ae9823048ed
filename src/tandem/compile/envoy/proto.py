"""Small parts of protobuf JSON that every Envoy resource is made of: typed configs, durations, the ADS source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tandem.base.addresses import IPV4, families
from tandem.state.xds import ENVOY

Json = Mapping[str, Any]
"""A JSON object in protobuf's mapping. Trees are shared between resources, so nobody may change one."""

ADS: Final[Json] = {"ads": {}, "resource_api_version": "V3"}

BUFFER_BYTES: Final = 32768
"""Per connection and direction; Envoy's default of 1 MiB is too much for a proxy that all pods share."""

STAYS: Final = "MODIFY_ONLY"
"""Drain type of listeners of pods: they go on when Envoy is told to turn clients of gateways away."""

LIMITS: Final[Json] = {
    "thresholds": [
        dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), 4294967295),
    ],
}
"""Envoy's default circuit breakers (1024 requests, 3 retries) would be shared by all pods of the node."""


def any_of(type_name: str, fields: Json | None = None) -> Json:
    """A google.protobuf.Any of an Envoy type (`extensions.filters…`, without the `envoy.` prefix)."""
    return {"@type": ENVOY + type_name, **(fields or {})}


def extension(name: str, type_name: str, fields: Json | None = None) -> Json:
    """A named extension with its typed config."""
    return {"name": name, "typed_config": any_of(type_name, fields)}


def at_ports(ports: Sequence[int]) -> Json:
    """The predicate of a listener filter that holds for connections to some of these ports."""
    rules = [{"destination_port_range": {"start": port, "end": port + 1}} for port in ports]
    return rules[0] if len(rules) == 1 else {"or_match": {"rules": rules}}


def discovered(name: str, *type_names: str) -> Json:
    """A filter whose configuration is a resource of its name, of one of the types: a change of it drains nothing."""
    discovery = {"config_source": ADS, "type_urls": [ENVOY + type_name for type_name in type_names]}
    return {"name": name, "config_discovery": discovery}


def typed_struct(type_name: str, fields: Json) -> Json:
    """An Any of a type that xds-protos lacks: Envoy turns the TypedStruct into the real message."""
    return {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": ENVOY + type_name, "value": fields}


def milliseconds(value: int) -> str:
    """A protobuf Duration."""
    return f"{value // 1000}s" if value % 1000 == 0 else f"{value / 1000:.3f}s"


def fraction(per_million: int) -> Json:
    """A FractionalPercent."""
    return {"numerator": per_million, "denominator": "MILLION"}


def socket_address(address: str, port: int, netns: str = "", *, protocol: str = "") -> Json:
    """A core.Address; with `netns` the socket is made inside that network namespace. Without a protocol: TCP."""
    inner: dict[str, Any] = {"address": address, "port_value": port, **({"protocol": protocol} if protocol else {})}
    if netns:
        inner["network_namespace_filepath"] = netns
    return {"socket_address": inner}


def listening_at(hosts: Iterable[str], port: int, netns: str, *, protocol: str = "") -> Json:
    """The fields of a Listener that say where its sockets are: the first address, and the others."""
    first, *more = (socket_address(host, port, netns, protocol=protocol) for host in hosts)
    return {"address": first, **({"additional_addresses": [{"address": other} for other in more]} if more else {})}


def versions_of(addresses: Iterable[str]) -> tuple[int, ...]:
    """The families of a pod, 4 before 6; 4 for one whose addresses are not known."""
    return families(addresses) or (IPV4,)
