"""How packets travel between the pods of a cluster: one choice for all nodes, made by the object `Network default`."""

from __future__ import annotations

import msgspec

from tandem.base.problems import Origin


class Vxlan(msgspec.Struct, frozen=True, kw_only=True):
    """What every node's tunnel end has in common."""

    vni: int = 116
    port: int = 4789
    """UDP (RFC 7348, section 8.1)."""


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """The fabric by its name in `compile.fabric`, and what it needs to know."""

    fabric: str = "routed"
    mtu: int = 0
    """Of pods' interfaces; 0: what the underlay leaves after every overhead."""
    vxlan: Vxlan = Vxlan()
    origin: Origin | None = None
    """None: no object says so, these are the defaults."""
