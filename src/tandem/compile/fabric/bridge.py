"""Fabric `bridge`: the pods of a node share one L2; between nodes it is `routed`.

A pod's link is a port of the node's bridge as well as what it always is: the node keeps its route and its neighbour
entry for the pod, so that what it sends to a pod goes straight to its link. What pods send enters the bridge, and
`compile/nft/segment.py` says there what is switched and what the node's IP stack gets (docs/design/0014).
"""

from __future__ import annotations

from typing import Final

from tandem.compile.fabric.interface import Fabric
from tandem.compile.fabric.routed import ROUTED

BRIDGE: Final = Fabric(
    name="bridge", needs="every node on one L2", overhead=ROUTED.overhead, between=ROUTED.between, segment=True
)
