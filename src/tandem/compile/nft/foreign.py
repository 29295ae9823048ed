"""What the node's table adds for pods behind other plugins: source addresses that must stay, or must not. Pure.

Nothing at all if no pod is behind another plugin. All of this comes before the source translation of others (a bridge
with `ipMasq`) and of our own:
1. from one such pod to another by a Service: answers on a bridge would go round the node, so the node is the source;
2. to such a pod: the source stays, or the pod would take everyone for the node;
3. from such a pod to one of ours: likewise.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.compile.addresses import node_address
from tandem.compile.nft.families import FAMILIES, Family, of_family
from tandem.ir.node import NodeView, foreign_pods
from tandem.state import nft
from tandem.state.nft import Field

BEFORE_OTHERS: Final = 98


def own_pods(view: NodeView) -> NodeView:
    """The view without pods whose link another plugin made."""
    if not foreign_pods(view.pods):
        return view
    return msgspec.structs.replace(view, pods=tuple(pod for pod in view.pods if pod.foreign is None))


def foreign_state(view: NodeView) -> nft.Ruleset:
    """The chain and its sets."""
    foreign = [address for pod in foreign_pods(view.pods) for address in pod.addresses]
    if not foreign:
        return nft.ruleset()
    rules = tuple(rule for family in FAMILIES for rule in _rules(view, family))
    hook = nft.Hook(type="nat", hook="postrouting", priority=BEFORE_OTHERS)
    return nft.ruleset(
        chains=(nft.Chain(name="foreign-source", rules=rules, base=hook),),
        sets=tuple(_set(family, foreign) for family in FAMILIES),
    )


def _set(family: Family, addresses: list[str]) -> nft.Set:
    keys = frozenset((address,) for address in of_family(addresses, family))
    return nft.Set(name=f"foreign{family.version}", type=(family.type,), elements=keys)


def _rules(view: NodeView, family: Family) -> tuple[nft.Rule, ...]:
    name = f"foreign{family.version}"
    source, target = nft.InSet((family.saddr,), name), nft.InSet((family.daddr,), name)
    own = of_family((node_address(cidr) for cidr in view.node.pod_cidrs), family)
    translated = nft.Is(Field.CT_STATUS, "dnat")
    keep = (nft.KeepSource(family.word),)
    return (
        nft.Rule(
            match=(source, target, translated),
            then=(nft.Snat(family.word, own[0]) if own else nft.Masquerade(),),
            comment="between pods of another plugin by a Service",
        ),
        nft.Rule(match=(target,), then=keep, comment="to a pod of another plugin"),
        nft.Rule(
            match=(source, nft.InSet((family.daddr,), f"local{family.version}")),
            then=keep,
            comment="from a pod of another plugin to ours",
        ),
    )
