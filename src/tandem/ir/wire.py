"""The delta-ADS resource types that control sends to an agent, and how their values travel (msgspec JSON).

Resource names: pod uid; policy set id; group id, of large groups those of pieces.py; `namespace/name` of a service
(endpoints, tables, policies alike, tables with `@consumer` appended where limited) or gateway; node name (node, names);
`mesh` for the one MeshConfig.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.base.digest import digest
from tandem.base.problems import Origin
from tandem.ir.differences import origins_in
from tandem.ir.fabric import Endpoints, LocalPod, MeshConfig, Node, Service
from tandem.ir.gateway import Gateway
from tandem.ir.mesh import RouteTable
from tandem.ir.names import Names
from tandem.ir.policy import AddressGroup, PolicySet
from tandem.ir.traffic import TrafficPolicy

Value = (
    MeshConfig
    | Node
    | LocalPod
    | PolicySet
    | AddressGroup
    | Service
    | Endpoints
    | RouteTable
    | TrafficPolicy
    | Gateway
    | Names
)

PREFIX: Final = "type.googleapis.com/tandem.io."

# In the order in which control sends them: what a later type refers to is there before it.
TYPES: Final[dict[str, type]] = {
    PREFIX + "MeshConfig": MeshConfig,
    PREFIX + "Node": Node,
    PREFIX + "AddressGroup": AddressGroup,
    PREFIX + "PolicySet": PolicySet,
    PREFIX + "Service": Service,
    PREFIX + "TrafficPolicy": TrafficPolicy,
    PREFIX + "RouteTable": RouteTable,
    PREFIX + "Endpoints": Endpoints,
    PREFIX + "Names": Names,
    PREFIX + "Gateway": Gateway,
    PREFIX + "LocalPod": LocalPod,
}
URLS: Final[dict[type, str]] = {cls: url for url, cls in TYPES.items()}

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def encode(value: Value) -> bytes:
    """Deterministic bytes: equal values are equal bytes, so the digest of the bytes is the version."""
    return _ENCODER.encode(value)


def version(encoded: bytes) -> str:
    """Content hash, the version of a resource."""
    return digest(encoded, 16)


def decode(type_url: str, data: bytes) -> Value:
    """The value behind a resource; raises KeyError for a foreign type, msgspec.ValidationError for bad data."""
    value: Value = msgspec.json.decode(data, type=TYPES[type_url])
    return value


def origins(value: Value) -> frozenset[Origin]:
    """Every Origin inside a value: the objects whose `Programmed` depends on its acceptance."""
    return frozenset() if isinstance(value, AddressGroup) else frozenset(origins_in(value))  # of these there are many
