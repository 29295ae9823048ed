"""Host ports of attached pods -> translation in the node's namespace. Pure; nothing at all if no pod has one.

`hostip4` maps (address . protocol . port) and `hostport4` (protocol . port) to the pod's address and port; both are
asked for packets to the node itself only, the second not for addresses of the cluster, where Services and DNS are.
A pod that reaches itself gets the node's source from `source-nat`, as through a Service; so does 127.0.0.1 here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tandem.compile.addresses import node_address
from tandem.compile.nft.among import not_translated
from tandem.compile.nft.families import FAMILIES, V4, V6, Family, of_family
from tandem.ir.node import AttachedPod, NodeView, pods_with_ports
from tandem.state import nft
from tandem.state.nft import Field

LOOPBACK: Final = nft.Prefix("127.0.0.0", 8)
LOOPBACK6: Final = nft.Prefix("::1", 128)
GUARD: Final = -290
"""Before any translation, when a packet to 127.0.0.0/8 that came over a link can only be a forgery."""
AFTER_SERVICES: Final = -99
BEFORE_SOURCE_NAT: Final = 99
_POD_LINKS: Final = "td*"
_FRONT: Final = ("inet_proto", "inet_service")
Entries = frozenset[tuple[nft.Key, nft.Verdict | nft.Key]]


def hostport_state(view: NodeView) -> nft.Ruleset:
    """The chains and maps of host ports."""
    if not pods_with_ports(view.pods):
        return nft.ruleset()
    nobodys = not_translated(view.config.network)
    rules = (*nobodys, *(rule for family in FAMILIES for rule in _translate(family)))
    chains = (
        nft.Chain(name="hostport-guard", rules=(_guard(),), base=_hook("filter", "prerouting", GUARD)),
        nft.Chain(name="hostport-prerouting", rules=rules, base=_hook("nat", "prerouting", AFTER_SERVICES)),
        nft.Chain(name="hostport-output", rules=rules, base=_hook("nat", "output", AFTER_SERVICES)),
        nft.Chain(name="hostport-source", rules=_source(view), base=_hook("nat", "postrouting", BEFORE_SOURCE_NAT)),
    )
    return nft.ruleset(chains=chains, maps=tuple(m for family in FAMILIES for m in _maps(view, family)))


def _hook(kind: str, hook: str, priority: int) -> nft.Hook:
    return nft.Hook(type=kind, hook=hook, priority=priority)


def _guard() -> nft.Rule:
    # route_localnet of the link would let a pod speak to what listens on the node's loopback only.
    return nft.Rule(
        match=(nft.Is(Field.IIFNAME, _POD_LINKS), nft.Is(Field.DADDR4, LOOPBACK)),
        then=(nft.Counter(), nft.Drop()),
        comment="nobody outside speaks to the node's loopback",
    )


def _translate(family: Family) -> tuple[nft.Rule, nft.Rule]:
    to_node: tuple[nft.Match, ...] = (nft.Is(Field.FIB_DADDR_TYPE, "local"),)
    if family is V6:  # the kernel leads nothing from ::1 out of a link, as it does from 127.0.0.1 by route_localnet
        to_node = (*to_node, nft.Is(Field.DADDR6, LOOPBACK6, negate=True))
    v, of_address = family.version, (family.daddr, Field.L4PROTO, Field.DPORT)
    any_address = nft.InSet((family.daddr,), f"cluster{v}", negate=True)
    # An address of a load balancer is the node's too, and belongs to one Service with all its ports.
    no_balancer = nft.InSet((family.daddr,), f"vips{v}", negate=True)
    return (
        nft.Rule(match=to_node, then=(nft.DnatMap(family.word, of_address, f"hostip{v}"),)),
        nft.Rule(
            match=(*to_node, any_address, no_balancer),
            then=(nft.DnatMap(family.word, (Field.L4PROTO, Field.DPORT), f"hostport{v}"),),
        ),
    )


def _source(view: NodeView) -> tuple[nft.Rule, ...]:
    own = of_family((node_address(cidr) for cidr in view.node.pod_cidrs), V4)
    match = (nft.Is(Field.CT_STATUS, "dnat"), nft.Is(Field.OIFNAME, _POD_LINKS), nft.Is(Field.SADDR4, LOOPBACK))
    statement = nft.Snat(V4.word, own[0]) if own else nft.Masquerade()
    return (nft.Rule(match=match, then=(statement,), comment="host ports on 127.0.0.1"),)


def _maps(view: NodeView, family: Family) -> tuple[nft.Map, nft.Map]:
    v, data = family.version, (family.type, "inet_service")
    entries = [entry for pod in pods_with_ports(view.pods) for entry in _entries(pod, family)]
    of_address: Entries = frozenset((key, value) for key, value in entries if len(key) > len(_FRONT))
    of_any: Entries = frozenset((key, value) for key, value in entries if len(key) == len(_FRONT))
    return (
        nft.Map(name=f"hostip{v}", type=(family.type, *_FRONT), data=data, elements=of_address),
        nft.Map(name=f"hostport{v}", type=_FRONT, data=data, elements=of_any),
    )


def _entries(pod: AttachedPod, family: Family) -> Iterator[tuple[nft.Key, nft.Key]]:
    for address in of_family(pod.addresses, family)[:1]:
        for mapping in pod.port_mappings:
            if family.version in mapping.versions:
                front: nft.Key = (mapping.protocol, mapping.host_port)
                key = front if mapping.is_general else (mapping.host_ip, *front)
                yield key, (address, mapping.container_port)
