"""Ports by which nodes, and the routers beside them, speak to each other: no Service and no pod has them. Pure.

`among-nodes4` holds (address . protocol . port) of whatever believes a node by its address; `between-nodes4` adds
tunnels with keys. What goes there is translated for nobody: a Service that calls a node's address external, or a pod's
host port, would else be sent the tunnel of a node, or its routes.
"""

from __future__ import annotations

from collections.abc import Iterator

from tandem.compile.fabric.vxlan import VXLAN
from tandem.compile.nft.families import FAMILIES, Family, of_family
from tandem.ir.network import Network
from tandem.ir.node import NodeView
from tandem.state import nft
from tandem.state.nft import Field

Spoken = tuple[tuple[str, int], ...]
"""Protocol and port."""


def by_address(network: Network) -> Spoken:
    """Of what believes a node by its address: a tunnel without keys, and speakers of BGP."""
    tunnel = (("udp", network.vxlan.port),) if network.fabric == VXLAN.name else ()
    return (*tunnel, *((("tcp", network.bgp.port),) if network.bgp is not None else ()))


def _between(network: Network) -> Spoken:
    keyed = (("udp", network.encryption.port),) if network.encryption is not None else ()
    return (*by_address(network), *keyed)


def among_sets(view: NodeView, family: Family) -> Iterator[nft.Set]:
    """The nodes, and where they believe each other, and routers believe them, by the address."""
    if spoken := by_address(view.config.network):
        nodes = frozenset((address,) for address in _addresses(view, family))
        yield nft.Set(name=f"nodes{family.version}", type=(family.type,), elements=nodes)
        yield _places(view, family, "among-nodes", spoken)


def between_sets(view: NodeView) -> tuple[nft.Set, ...]:
    """What the rules of `not_translated` ask."""
    spoken = _between(view.config.network)
    return tuple(_places(view, f, "between-nodes", spoken) for f in FAMILIES if spoken)


def _places(view: NodeView, family: Family, name: str, spoken: Spoken) -> nft.Set:
    keys = {(address, *one) for address in _addresses(view, family) for one in spoken}
    bgp = view.config.network.bgp
    for peer in bgp.peers if bgp is not None else ():
        keys |= {(address, "tcp", peer.port) for address in of_family([peer.address], family)}
    kind = (family.type, "inet_proto", "inet_service")
    return nft.Set(name=f"{name}{family.version}", type=kind, elements=frozenset(keys))


def _addresses(view: NodeView, family: Family) -> list[str]:
    return [address for node in (*view.nodes.values(), view.node) for address in of_family(node.addresses, family)]


def not_translated(network: Network) -> tuple[nft.Rule, ...]:
    """First in each chain that translates what is dialled."""
    return tuple(
        nft.Rule(
            match=(nft.InSet((f.daddr, Field.L4PROTO, Field.DPORT), f"between-nodes{f.version}"),),
            then=(nft.Accept(),),
            comment="between nodes",
        )
        for f in FAMILIES
        if _between(network)
    )
