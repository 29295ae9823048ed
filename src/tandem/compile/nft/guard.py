"""NodeView and a pod behind another plugin -> the policy table inside that pod's namespace. Pure.

The node sees such a pod's packets late (bridge: not those within the bridge) or never (macvlan), so its policy is
judged where all of them pass: on its own interface. A pod without NET_ADMIN cannot change that; one with NET_RAW can
write frames that pass no chain (docs/design/0059).

| chain | hook, priority | does |
|---|---|---|
| guard-in | input 0 | ingress policy; the node itself is exempt |
| guard-out | postrouting 0 | egress policy, with the real interface, after every translation |
| service-output, refuse-output | output -99, -90 | Services (services.py): policy is about real addresses |

The chains of policy sets are those of the node's table, with the same log prefixes.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.base.ids import PolicySetId
from tandem.compile import names
from tandem.compile.nft.chains import joined, judge
from tandem.compile.nft.crowds import crowd_tables, large_groups
from tandem.compile.nft.domains import domain_sets
from tandem.compile.nft.families import FAMILIES, of_family
from tandem.compile.nft.judged import group_sets, preview_of, used_sets, with_previews
from tandem.compile.nft.services import service_state
from tandem.ir.fabric import Service
from tandem.ir.node import AttachedPod, ForeignLink, NodeView
from tandem.ir.policy import Side
from tandem.state import nft
from tandem.state.nft import Field
from tandem.state.ownership import POLICY_TABLE

AFTER_CAPTURE: Final = -99
"""What the mesh redirects (capture.py, -100) is not translated here."""
_OF_THE_LINK: Final[dict[int, tuple[nft.Prefix, ...]]] = {4: (), 6: (nft.Prefix("fe80::", 10),)}
NEIGHBOURS: Final = ("nd-neighbor-solicit", "nd-neighbor-advert", "nd-router-solicit", "nd-router-advert")
"""ICMPv6 that stands for ARP: without it the link has no IPv6."""


def compile_guard(view: NodeView, pod: AttachedPod) -> nft.Ruleset:
    """The pod's policy table; empty for a pod that is not guarded."""
    if pod.foreign is None or not pod.foreign.guarded:
        return nft.ruleset(table=POLICY_TABLE)
    alone = msgspec.structs.replace(view, pods=(pod,), services=_without_node_ports(view.services))
    used = used_sets(alone)
    asked = with_previews(alone, used)
    # What leaves is judged after every translation, where the kernel cannot answer any more: such a denial is silent.
    large = large_groups(view.groups)
    policy = joined(judge(s, preview_of(alone, s), large=large, answers=s.side is Side.INGRESS) for s in used)
    rules, crowds = policy.rules, crowd_tables(view.groups, policy.crowds)
    groups, domains = group_sets(alone, policy.groups()), domain_sets(alone, asked)
    services = _from_within(service_state(alone))
    return nft.ruleset(
        table=POLICY_TABLE,
        chains=(*_guards(pod, pod.foreign), *rules.chains, *services.chains),
        sets=(*groups, *domains, *_itself(pod), *rules.sets, *crowds.sets, *services.sets),
        maps=(*rules.maps, *crowds.maps, *services.maps),
        counters=rules.counters,
    )


def _itself(pod: AttachedPod) -> tuple[nft.Set, ...]:
    return tuple(
        nft.Set(
            name=f"self{f.version}",
            type=(f.type, f.type),
            elements=frozenset((a, a) for a in of_family(pod.addresses, f)),
        )
        for f in FAMILIES
    )


def _guards(pod: AttachedPod, link: ForeignLink) -> tuple[nft.Chain, nft.Chain]:
    node = tuple(
        nft.Rule(match=(nft.OneOf(f.saddr, tuple(own)),), then=(nft.Accept(),), comment="the node")
        for f in FAMILIES
        if (own := of_family(link.node_addresses, f))
    )
    return (
        nft.Chain(
            name="guard-in",
            rules=(
                *_around(Field.IIFNAME, pod.pod.ingress),
                *_common(Field.IIFNAME, link.ifname),
                *node,
                *_judged(pod.pod.ingress),
            ),
            base=nft.Hook(type="filter", hook="input", priority=0),
        ),
        nft.Chain(
            name="guard-out",
            rules=(
                *_around(Field.OIFNAME, pod.pod.egress),
                *_common(Field.OIFNAME, link.ifname, *_own_source(pod)),
                *_judged(pod.pod.egress),
            ),
            base=nft.Hook(type="filter", hook="postrouting", priority=0),
        ),
    )


def _around(interface: Field, policy_set: PolicySetId | None) -> tuple[nft.Rule, ...]:
    """A pod that reaches itself by a Service is judged as if it left its namespace, though it does not here."""
    if policy_set is None:
        return ()
    return tuple(
        nft.Rule(
            match=(
                nft.Is(interface, "lo"),
                nft.Is(Field.CT_STATE, "new"),
                nft.Is(Field.CT_STATUS, "dnat"),
                nft.InSet((f.saddr, f.daddr), f"self{f.version}"),
            ),
            then=(nft.Goto(names.set_chain(policy_set)),),
            comment="itself, by a Service",
        )
        for f in FAMILIES
    )


def _own_source(pod: AttachedPod) -> tuple[nft.Rule, ...]:
    """As on the links of our own pods: nobody sends under another's address, which policies know pods by."""
    return tuple(
        nft.Rule(
            match=(nft.OneOf(f.saddr, (*own, *_OF_THE_LINK[f.version]), negate=True),),
            then=(nft.Counter(), nft.Drop()),
            comment="not the pod's own address",
        )
        for f in FAMILIES
        if (own := of_family(pod.addresses, f))
    )


def _common(interface: Field, ifname: str, *first: nft.Rule) -> tuple[nft.Rule, ...]:
    return (
        nft.Rule(match=(nft.Is(interface, ifname, negate=True),), then=(nft.Accept(),), comment="not this link"),
        *first,
        nft.Rule(
            match=(nft.OneOf(Field.CT_STATE, ("established", "related")),),
            then=(nft.Accept(),),
            comment="replies are allowed implicitly",
        ),
        # As in the node's table: what policy ended must not be taken up again by a packet of the peer.
        nft.Rule(
            match=(nft.Is(Field.CT_STATE, "new"), nft.NoSyn()),
            then=(nft.Counter(), nft.Drop()),
            comment="no connection begins in the middle",
        ),
        nft.Rule(match=(nft.OneOf(Field.ICMPV6_TYPE, NEIGHBOURS),), then=(nft.Accept(),), comment="neighbours"),
    )


def _judged(policy_set: PolicySetId | None) -> tuple[nft.Rule, ...]:
    return () if policy_set is None else (nft.Rule(then=(nft.Goto(names.set_chain(policy_set)),)),)


def _without_node_ports(services: dict[str, Service]) -> dict[str, Service]:
    """An address of the pod is none of the node's."""
    return {
        name: msgspec.structs.replace(
            service, ports=tuple(msgspec.structs.replace(port, node_port=0) for port in service.ports)
        )
        for name, service in services.items()
    }


def _from_within(state: nft.Ruleset) -> nft.Ruleset:
    """Only what the pod itself sends is translated."""
    chains = []
    for chain in state.chains:
        if chain.base is None:
            chains.append(chain)
        elif chain.base.hook == "output":
            priority = max(chain.base.priority, AFTER_CAPTURE)
            chains.append(msgspec.structs.replace(chain, base=msgspec.structs.replace(chain.base, priority=priority)))
    # The shortcut for pods of the node has nothing to find here: a pod's own packets are few.
    none = tuple(nft.Set(name=f"pods{f.version}", type=(f.type,)) for f in FAMILIES)
    return nft.ruleset(chains=tuple(chains), sets=(*state.sets, *none), maps=state.maps)
