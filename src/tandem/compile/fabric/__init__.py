"""The fabrics, in the order in which documentation and help name them; the first is the default.

A fabric that is added here is named in `model/schemas/tandem.json` too, so that the API knows its name.
"""

from __future__ import annotations

from typing import Final

from tandem.compile.fabric.bridge import BRIDGE
from tandem.compile.fabric.interface import Fabric
from tandem.compile.fabric.routed import ROUTED
from tandem.compile.fabric.vxlan import VXLAN
from tandem.ir.network import Network

FABRICS: Final[tuple[Fabric, ...]] = (ROUTED, VXLAN, BRIDGE)
BY_NAME: Final[dict[str, Fabric]] = {fabric.name: fabric for fabric in FABRICS}


def fabric_of(network: Network) -> Fabric:
    """The fabric that a Network names; raises KeyError for a name that is not in the list."""
    return BY_NAME[network.fabric]
