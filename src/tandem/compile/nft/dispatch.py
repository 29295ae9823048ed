"""Base chains of the node and the maps by which they find a pod's policy. Pure.

| chain | hook, priority | does |
|---|---|---|
| source-check | prerouting -300 | a pod's address by its own link only, with encryption another node's by the tunnel |
| service-*, refuse-* | prerouting, output -100, -90 | Services (services.py) |
| policy-forward | forward 0 | segment sizes, egress policy of the source, ingress policy of the destination |
| policy-input | input 0 | egress policy of a pod that speaks to the node; the tunnel's port is for nodes |
| node-output | output 0 | the node may speak to its own pods, on their links; its gateways as policy has it |
| source-nat | postrouting 100 | hairpin, gateways, traffic through this node, and traffic that leaves the cluster |

An accept ends a base chain, so what the source's side allows returns to it: both sides are always judged.
All of this runs after Service translation, on the real address and port. Each base chain that is not of type nat costs
every packet 30 ns and more (docs/design/0020): packets of established connections meet two, with one rule each. What a
connection between two pods begins with meets few more: whatever is not about it is in chains of its own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from tandem.base.members import joined_as_before
from tandem.compile import names
from tandem.compile.addresses import edge_source
from tandem.compile.fabric.interface import others
from tandem.compile.nft.among import among_sets, by_address
from tandem.compile.nft.families import FAMILIES, Family, of_family, prefixes, without
from tandem.ir.node import AttachedPod, NodeView
from tandem.state import nft
from tandem.state.nft import Field
from tandem.state.ownership import ENVOY_MARK, WIREGUARD_PREFIX

POD_LINKS: Final = "td*"
TUNNELS: Final = f"{WIREGUARD_PREFIX}*"
_REPLIES: Final = nft.Rule(
    match=(nft.Is(Field.CT_STATE, "established"),),
    then=(nft.Accept(),),
    comment="replies are allowed implicitly",
)
_ENDS: Final = {4: (Field.CT_CLIENT4, Field.CT_SERVER4), 6: (Field.CT_CLIENT6, Field.CT_SERVER6)}
_DROP: Final = (nft.Counter(), nft.Drop())
# Both links of a connection may have another MTU than what lies between: pods older than the fabric, peers outside. The
# answer to a SYN meets no rule (it is a reply): its offer is the pod's own link's, and beyond that the node says ICMP.
# Between two pods of the node nothing lies, and to look up the route back takes 0.8 us for each rule.
_SEGMENT_SIZE: Final = tuple(
    nft.Rule(match=(nft.Is(link, POD_LINKS), nft.Syn()), then=(nft.ClampMss(),))
    for link in (Field.IIFNAME, Field.OIFNAME)
)
_BETWEEN_PODS: Final = (nft.Is(Field.IIFNAME, POD_LINKS), nft.Is(Field.OIFNAME, POD_LINKS))
_TO_ERRORS: Final = nft.Rule(match=(nft.Is(Field.CT_STATE, "related"),), then=(nft.Goto("errors"),))
_TO_MID_STREAM: Final = nft.Rule(match=(nft.NoSyn(),), then=(nft.Jump("mid-stream"),))
_TO_JUDGED: Final = nft.Goto("judged")


def fixed_chains(view: NodeView) -> tuple[nft.Chain, ...]:
    """Base chains, and those that they lead to, without those of Services and policy sets."""
    forward = (
        _REPLIES,
        _TO_ERRORS,
        _TO_MID_STREAM,
        nft.Rule(match=_BETWEEN_PODS, then=(_TO_JUDGED,)),
        *_SEGMENT_SIZE,
        # Masqueraded, it would come from this node: nobody but the node itself speaks to the others as a node.
        *_not_as_a_node(view, nft.Is(Field.IIFNAME, POD_LINKS)),
        *_not_as_a_node(view, nft.Is(Field.CT_STATUS, "dnat")),
        nft.Rule(then=(_TO_JUDGED,)),
    )
    return (
        _base("source-check", "prerouting", priority=-300, rules=_source_check(view)),
        _base("policy-forward", "forward", priority=0, rules=forward),
        _base(
            "policy-input",
            "input",
            priority=0,
            rules=(_REPLIES, _TO_ERRORS, _TO_MID_STREAM, *_tunnel_of_nodes(view), *map(_egress, FAMILIES)),
        ),
        _base(
            "node-output",
            "output",
            priority=0,
            rules=(
                *(_wrong_link(f) for f in FAMILIES),
                *_not_as_a_node(view, nft.Is(Field.MARK, ENVOY_MARK)),
                *_of_gateways(),
            ),
        ),
        nft.Chain(
            name="source-nat",
            rules=_source_nat(view),
            base=nft.Hook(type="nat", hook="postrouting", priority=100),
        ),
        nft.Chain(name="source-of-translated", rules=_source_of_translated(view)),
        nft.Chain(name="source-outside", rules=tuple(map(_leaving, FAMILIES))),
        nft.Chain(name="errors", rules=tuple(_errors())),
        nft.Chain(name="mid-stream", rules=(_no_mid_stream(Field.IIFNAME), _no_mid_stream(Field.OIFNAME))),
        nft.Chain(name="judged", rules=tuple(map(_judged_of, FAMILIES))),
        *(nft.Chain(name=f"judged{f.version}", rules=(_egress(f), _ingress(f), _closed())) for f in FAMILIES),
    )


def _base(name: str, hook: str, *, priority: int, rules: tuple[nft.Rule, ...]) -> nft.Chain:
    return nft.Chain(name=name, rules=rules, base=nft.Hook(type="filter", hook=hook, priority=priority))


def _source_check(view: NodeView) -> tuple[nft.Rule, ...]:
    from_pod = nft.Is(Field.IIFNAME, POD_LINKS)
    own = tuple(
        nft.Rule(match=(from_pod, nft.InSet((Field.IIFNAME, f.saddr), f"links{f.version}")), then=(nft.Accept(),))
        for f in FAMILIES
    )
    clear = tuple(
        nft.Rule(
            match=(nft.Is(Field.IIFNAME, TUNNELS, negate=True), nft.InSet((f.saddr,), f"encrypted{f.version}")),
            then=_DROP,
            comment="from a pod of another node, and not by the tunnel",
        )
        for f in FAMILIES
    )
    ends = nft.Rule(match=(from_pod,), then=_DROP, comment="not the pod's own address")
    from_elsewhere = tuple(
        nft.Rule(match=(nft.InSet((f.saddr,), f"pods{f.version}"),), then=_DROP, comment="not by the pod's own link")
        for f in FAMILIES
    )
    return (*own, ends, *from_elsewhere, *(clear if view.config.network.encryption is not None else ()))


def _not_as_a_node(view: NodeView, who: nft.Match) -> tuple[nft.Rule, ...]:
    """What is not the node's own does not reach the ports by which nodes trust each other's addresses."""
    return tuple(
        nft.Rule(
            match=(who, nft.InSet((f.daddr, Field.L4PROTO, Field.DPORT), f"among-nodes{f.version}")),
            then=_DROP,
            comment="for nodes among themselves",
        )
        for f in FAMILIES
        if by_address(view.config.network)
    )


def _tunnel_of_nodes(view: NodeView) -> Iterator[nft.Rule]:
    """What is unwrapped here was wrapped by a node."""
    for protocol, port in by_address(view.config.network):
        for f in FAMILIES if protocol == "udp" else ():
            from_others = nft.InSet((f.saddr,), f"nodes{f.version}", negate=True)
            match = (nft.Is(Field.UDP_DPORT, port), from_others)
            yield nft.Rule(match=match, then=_DROP, comment="wrapped by no node")


def _errors() -> Iterator[nft.Rule]:
    """Of what is related. ICMP about a connection is, whoever sends it: of a pod only about its own ones."""
    for f in FAMILIES:
        # A pair with itself is in the set, and the source is the pod's own: so that end of the connection is the pod.
        none = tuple(nft.InSet((f.saddr, end), f"self{f.version}", negate=True) for end in _ENDS[f.version])
        from_pod = nft.Is(Field.IIFNAME, POD_LINKS)
        yield nft.Rule(match=(from_pod, *none), then=_DROP, comment="an error about others' connections")
    yield nft.Rule(then=(nft.Accept(),), comment="errors about connections are allowed as these are")


def _no_mid_stream(link: Field) -> nft.Rule:
    # TCP without SYN. A connection whose conntrack entry was deleted, because policy denies it now, must not be taken
    # up again in the other direction by a packet of the peer.
    return nft.Rule(
        match=(nft.Is(link, POD_LINKS), nft.Is(Field.CT_STATE, "new")),
        then=_DROP,
        comment="no connection begins in the middle",
    )


def _closed(*unless: nft.Match) -> nft.Rule:
    # Nothing is routed into the bridge: what br_netfilter shows here is switched, and judged by its own table.
    to_pod = (nft.Is(Field.OIFNAME, POD_LINKS), nft.Is(Field.OIFNAME, names.SEGMENT, negate=True))
    return nft.Rule(match=(*to_pod, *unless), then=_DROP, comment="closed until programmed")


def _wrong_link(family: Family) -> nft.Rule:
    return _closed(nft.InSet((Field.OIFNAME, family.daddr), f"links{family.version}", negate=True))


def _of_gateways() -> tuple[nft.Rule, ...]:
    """What the node's gateways open towards its own pods is judged; what else the node itself opens is not."""
    opens = (nft.Is(Field.MARK, ENVOY_MARK), nft.Is(Field.CT_STATE, "new"))
    return tuple(nft.Rule(match=opens, then=_ingress(f).then) for f in FAMILIES)


def _judged_of(family: Family) -> nft.Rule:
    return nft.Rule(match=(nft.Is(Field.NFPROTO, family.nfproto),), then=(nft.Goto(f"judged{family.version}"),))


def _egress(family: Family) -> nft.Rule:
    return nft.Rule(then=(nft.Dispatch((family.saddr,), f"egress{family.version}"),))


def _ingress(family: Family) -> nft.Rule:
    return nft.Rule(then=(nft.Dispatch((Field.OIFNAME, family.daddr), f"ingress{family.version}"),))


def _source_nat(view: NodeView) -> tuple[nft.Rule, ...]:
    rules = [nft.Rule(match=(nft.Is(Field.CT_STATUS, "dnat"),), then=(nft.Jump("source-of-translated"),))]
    for f in FAMILIES:
        if outer := edge_source(view.config.service_cidrs, f.version):
            to_pods = (nft.Is(Field.MARK, ENVOY_MARK), nft.Is(Field.OIFNAME, POD_LINKS))
            # From the node's own address it would go past the mesh in the pod, as probes do (capture.py).
            rules.append(nft.Rule(match=to_pods, then=(nft.Snat(f.word, outer),), comment="gateways to pods"))
    outside = nft.Is(Field.OIFNAME, POD_LINKS, negate=True)
    return (*rules, nft.Rule(match=(outside,), then=(nft.Jump("source-outside"),)))


def _source_of_translated(view: NodeView) -> tuple[nft.Rule, ...]:
    rules: list[nft.Rule] = []
    for f in FAMILIES:
        gateway = _gateway(view, f)
        rules.append(
            nft.Rule(
                match=(nft.InSet((f.saddr, f.daddr), f"self{f.version}"),),
                then=(nft.Snat(f.word, gateway) if gateway else nft.Masquerade(),),
                comment="a pod that reaches itself through a Service",
            )
        )
    for f in FAMILIES:
        through = (
            nft.Is(Field.OIFNAME, POD_LINKS, negate=True),
            nft.Is(Field.OIFNAME, "lo", negate=True),
            nft.InSet((f.saddr,), f"local{f.version}", negate=True),
        )
        # The endpoint would answer the client past this node. One on this node answers through it: its client is kept.
        rules.append(
            nft.Rule(match=through, then=(nft.Masquerade(),), comment="from outside to an endpoint of another node")
        )
    return tuple(rules)


def _leaving(family: Family) -> nft.Rule:
    leaves = (
        nft.InSet((family.saddr,), f"local{family.version}"),
        nft.InSet((family.daddr,), f"cluster{family.version}", negate=True),
    )
    return nft.Rule(match=leaves, then=(nft.Masquerade(),), comment="pods leave the cluster as the node")


def _gateway(view: NodeView, family: Family) -> str:
    """The first address of the node's pod prefix: where traffic from the node to its pods comes from."""
    own = prefixes(view.node.pod_cidrs, family)
    return str(ipaddress.ip_network(f"{own[0].address}/{own[0].length}")[1]) if own else ""


def fixed_sets(view: NodeView) -> list[nft.Set]:
    """What belongs to this node and to the cluster."""
    found: list[nft.Set] = []
    nodes = (*view.nodes.values(), view.node)
    # Of its own blocks, but behind other nodes: what such a pod sends is not this node's to answer for.
    lent = [address for node in others(view) for address in node.borrowed]
    for f in FAMILIES:
        cluster = prefixes([*(c for n in nodes for c in n.pod_cidrs), *view.config.service_cidrs], f)
        found += [
            _interval(f"local{f.version}", f, without(prefixes(view.node.prefixes, f), lent)),
            _interval(f"cluster{f.version}", f, cluster),
        ]
        found += among_sets(view, f)
        if view.config.network.encryption is not None:
            theirs = prefixes([p for n in others(view) for p in n.prefixes], f)
            found.append(_interval(f"encrypted{f.version}", f, theirs))
    return found


def pod_sets(view: NodeView) -> list[nft.Set]:
    """Which pod is where."""
    found: list[nft.Set] = []
    for f, (links, itself, pods, _, _) in zip(FAMILIES, _by_family(view), strict=True):
        found += [
            nft.Set(name=f"links{f.version}", type=("ifname", f.type), elements=links),
            nft.Set(name=f"self{f.version}", type=(f.type, f.type), elements=itself),
            nft.Set(name=f"pods{f.version}", type=(f.type,), elements=pods),
        ]
    return found


def policy_maps(view: NodeView) -> list[nft.Map]:
    """`egress`: address -> chain of the pod's policy set, for each pod that has one: what no entry judges is accepted.

    `ingress`: link and address -> that chain, or accept: what no entry lets in is dropped. One look says both, whether
    the pod is there and what judges.
    """
    found: list[nft.Map] = []
    for f, (_, _, _, ingress, egress) in zip(FAMILIES, _by_family(view), strict=True):
        found += [
            nft.Map(name=f"ingress{f.version}", type=("ifname", f.type), elements=ingress),
            nft.Map(name=f"egress{f.version}", type=(f.type,), elements=egress),
        ]
    return found


Elements = frozenset[Any]
"""Of one set or map. What they are says the function that makes them."""
_KINDS: Final = 5


def _by_family(view: NodeView) -> tuple[tuple[Elements, ...], ...]:
    """Per family the elements of links, self, pods, ingress and egress: what each pod gives, put together."""
    columns = _elements(view.pods)
    return tuple(columns[_KINDS * i : _KINDS * (i + 1)] for i in range(len(FAMILIES)))


@partial(joined_as_before, width=_KINDS * len(FAMILIES))
def _elements(attached: AttachedPod) -> tuple[Elements, ...]:
    """What one pod gives to each of the five containers of each family."""
    found: list[Elements] = []
    for f in FAMILIES:
        addresses = of_family(attached.addresses, f)
        links = (attached.host_ifname, *([names.SEGMENT] if attached.segment else []))
        ingress, egress = attached.pod.ingress, attached.pod.egress
        ways = [(link, a) for link in links for a in addresses]
        lets_in = nft.Goto(names.set_chain(ingress)) if ingress is not None else nft.Accept()
        out = [nft.Jump(names.set_chain(egress))] if egress is not None else []
        found += [
            Elements(ways),
            Elements((a, a) for a in addresses),
            Elements((a,) for a in addresses),
            Elements((way, lets_in) for way in ways),
            Elements(((a,), chain) for chain in out for a in addresses),
        ]
    return tuple(found)


def _interval(name: str, family: Family, values: tuple[nft.Prefix, ...]) -> nft.Set:
    return nft.Set(name=name, type=(family.type,), interval=True, elements=frozenset((p,) for p in values))
