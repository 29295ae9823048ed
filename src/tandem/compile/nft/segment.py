"""NodeView -> the table of the node's bridge (family bridge): what is switched, what the node's IP stack gets. Pure.

| chain | hook, priority | does |
|---|---|---|
| from-pod | prerouting -300 | a port carries that pod's MAC and IP addresses only; IP to one pod goes up to the node |
| to-pod | forward -200 | what is for everyone does not reach a pod that policy isolates |

IP to a single destination is judged, translated and forwarded by the node like any packet of a pod, so that policy,
Services and the mesh hold between pods of one bridge without a second copy of their rules, whatever a pod writes into
its neighbours' ARP tables. ARP, neighbour discovery, broadcast, multicast and every other protocol are switched; a
policy speaks of none of these, so a pod that one isolates sends or gets ARP and discovery alone. Frames with a VLAN tag
are dropped: what is in them would reach the IP stack of whoever takes them, with any address.
"""

from __future__ import annotations

from typing import Final

from tandem.base.ids import PolicySetId
from tandem.compile.fabric.segment import segment_mac
from tandem.compile.nft.families import V4, V6, Family, of_family
from tandem.ir.node import AttachedPod, NodeView, bridged_pods
from tandem.state import nft
from tandem.state.nft import Field

PORTS: Final = "td*"
_DROP: Final = (nft.Counter(), nft.Drop())
_ACCEPT: Final = (nft.Accept(),)
_ARP: Final = nft.Is(Field.ETHER_TYPE, "arp")
_DISCOVERY: Final = nft.OneOf(Field.ICMPV6_TYPE, ("nd-neighbor-solicit", "nd-neighbor-advert"))
_TAGGED: Final = nft.OneOf(Field.ETHER_TYPE, ("8021q", "8021ad"))
_TO_ONE: Final = nft.OneOf(Field.PKTTYPE, ("broadcast", "multicast"), negate=True)
_LOOPBACK: Final = nft.Prefix("127.0.0.0", 8)


def compile_segment(view: NodeView) -> nft.Ruleset | None:
    """None: no pod of this node is on the bridge."""
    pods = list(bridged_pods(view.pods))
    if not pods:
        return None
    chains = (
        nft.Chain(name="from-pod", rules=_from_pod(segment_mac(view.node.name)), base=_hook("prerouting", -300)),
        nft.Chain(name="to-pod", rules=_to_pod(), base=_hook("forward", -200)),
    )
    ports = frozenset((pod.host_ifname, pod.mac) for pod in pods)
    sets = (
        nft.Set(name="ports", type=("ifname", "ether_addr"), elements=ports),
        _addresses(pods, V4),
        _addresses(pods, V6),
        _links("mute", [pod for pod in pods if _speaks(view, pod.pod.egress)]),
        _links("deaf", [pod for pod in pods if _speaks(view, pod.pod.ingress)]),
    )
    ordered = nft.ruleset(chains=chains, sets=sets)
    return nft.Ruleset(family="bridge", chains=ordered.chains, sets=ordered.sets)


def _speaks(view: NodeView, policy_set: PolicySetId | None) -> bool:
    """Whether something is in force for that side: a set may be there for what is staged alone."""
    if policy_set is None:
        return False
    found = view.sets.get(policy_set)
    return found is None or found.closed or bool(found.isolated_by or found.admin or found.baseline)


def _hook(hook: str, priority: int) -> nft.Hook:
    return nft.Hook(type="filter", hook=hook, priority=priority)


def _from_pod(mac: str) -> tuple[nft.Rule, ...]:
    from_port = (Field.IIFNAME, Field.ETHER_SADDR)
    is4, is6 = nft.Is(Field.ETHER_TYPE, "ip"), nft.Is(Field.ETHER_TYPE, "ip6")
    return (
        nft.Rule(match=(nft.Is(Field.IIFNAME, PORTS, negate=True),), then=_ACCEPT, comment="no pod's"),
        nft.Rule(match=(nft.InSet(from_port, "ports", negate=True),), then=_DROP, comment="not the pod's own MAC"),
        nft.Rule(match=(_TAGGED,), then=_DROP, comment="a VLAN tag"),
        nft.Rule(match=(_ARP, nft.InSet((*from_port, Field.ARP_SADDR), "ports4")), then=_ACCEPT),
        nft.Rule(match=(_ARP,), then=_DROP, comment="ARP in another's name"),
        nft.Rule(match=(_DISCOVERY,), then=_ACCEPT, comment="neighbour discovery"),
        *(
            nft.Rule(
                match=(kind, nft.InSet((*from_port, family.saddr), f"ports{family.version}", negate=True)),
                then=_DROP,
                comment="not the pod's own address",
            )
            for kind, family in ((is4, V4), (is6, V6))
        ),
        nft.Rule(match=(is4, nft.Is(Field.DADDR4, _LOOPBACK)), then=_DROP, comment="the node's loopback"),
        *(nft.Rule(match=(kind, _TO_ONE), then=(nft.ToHost(mac), nft.Accept())) for kind in (is4, is6)),
        nft.Rule(match=(nft.InSet((Field.IIFNAME,), "mute"),), then=_DROP, comment="egress policy"),
    )


def _to_pod() -> tuple[nft.Rule, ...]:
    return (
        nft.Rule(match=(_ARP,), then=_ACCEPT),
        nft.Rule(match=(_DISCOVERY,), then=_ACCEPT),
        nft.Rule(match=(nft.InSet((Field.OIFNAME,), "deaf"),), then=_DROP, comment="ingress policy"),
    )


def _addresses(pods: list[AttachedPod], family: Family) -> nft.Set:
    keys = frozenset((p.host_ifname, p.mac, address) for p in pods for address in of_family(p.addresses, family))
    return nft.Set(name=f"ports{family.version}", type=("ifname", "ether_addr", family.type), elements=keys)


def _links(name: str, pods: list[AttachedPod]) -> nft.Set:
    return nft.Set(name=name, type=("ifname",), elements=frozenset((pod.host_ifname,) for pod in pods))
