"""Domains peers -> named sets with the addresses that their names have now, and the rule that copies answers. Pure.

As with groups of pods, an address that is learned is an element and not a rule. Elements have no time of their own in
the kernel: what is open stays open while the agent is away (docs/design/0029).

| chain | hook, priority | does |
|---|---|---|
| learn-names | output 10 | copies the node's DNS answers to pods whose policy is about names |

Only what the node itself sends passes there: no pod, here or elsewhere, can make such an answer. There is neither chain
nor set where no policy is about names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from tandem.base.addresses import family as version
from tandem.base.entries import Given, joined_values
from tandem.base.ids import PolicySetId
from tandem.base.memo import same_as_before
from tandem.compile import names
from tandem.compile.nft.families import FAMILIES, Family, of_family
from tandem.ir.domains import Learned, addresses_of, asked_for, names_of
from tandem.ir.node import NodeView
from tandem.ir.policy import Domains, PolicySet
from tandem.state import nft
from tandem.state.nft import Field
from tandem.state.ownership import NAMES_GROUP

ANSWER_BYTES: Final = 0xFF00
"""Of an answer that are copied: one by TCP is a single packet here, before it is cut into segments."""
ANSWERS: Final = nft.Limit(per_second=1000, burst=200)
"""What is copied at most, for each family: a pod that floods the server shall not busy the agent as well."""
LEARN: Final = "learn-names"
_DNS: Final = 53


def domain_sets(view: NodeView, used: tuple[PolicySet, ...]) -> list[nft.Set]:
    """One set per family for each Domains peer that a used policy set refers to; a name not known yet has nothing."""
    return sets_of_patterns(view, sorted({peer.patterns for found in used for peer in names_of(found)}))


def sets_of_patterns(view: NodeView, patterns: Iterable[tuple[str, ...]]) -> list[nft.Set]:
    """The same of peers with these patterns."""
    patterns = tuple(patterns)
    known = _known(view.learned)
    for missing in [p for p in patterns if p not in known]:
        known[missing] = _sets(Domains(patterns=missing), view.learned)
    return [made for found in patterns for made in known[found]]


@same_as_before
def _known(_: Learned) -> dict[tuple[str, ...], tuple[nft.Set, ...]]:
    """The sets that were made while nothing new was learned: a pod that comes or goes costs none of them."""
    return {}


def _sets(peer: Domains, learned: Learned) -> tuple[nft.Set, ...]:
    addresses = addresses_of(peer, learned)
    return tuple(
        nft.Set(
            name=names.domain_set(peer.patterns, family.version),
            type=(family.type,),
            elements=frozenset((a,) for a in addresses if version(a) == family.version),
        )
        for family in FAMILIES
    )


def patterns_of_pods(view: NodeView) -> Mapping[PolicySetId, frozenset[str]]:
    """The egress sets of this node's pods that are about names, each with its patterns and those of its preview."""
    about = _about_names(view.sets)
    used = {pod.pod.egress for pod in view.pods} if about else frozenset()
    return {policy_set: patterns for policy_set, patterns in about.items() if policy_set in used}


@same_as_before
def _about_names(sets: Mapping[PolicySetId, PolicySet]) -> Mapping[PolicySetId, frozenset[str]]:
    if _asking_of(sets) == _NONE:
        return {}
    own = {name: asked_for(found) for name, found in sets.items()}
    staged = {s.id: own.get(s.preview, frozenset()) for s in sets.values() if s.preview is not None}
    return {s: patterns for s in sorted(sets) if (patterns := own[s] | staged.get(s, frozenset()))}


@joined_values(1)
def _asking_of(policy_set: PolicySet) -> Given:
    return (dict.fromkeys(asked_for(policy_set), True),)


_NONE: Final = ((),)


def learning(view: NodeView) -> nft.Ruleset:
    """The chain that copies answers, and who gets such answers; nothing if no policy is about names."""
    judged = patterns_of_pods(view)
    if not judged:
        return nft.Ruleset()
    asking = [address for pod in view.pods if pod.pod.egress in judged for address in pod.addresses]
    rules = tuple(_copy(f, own) for f in FAMILIES if (own := of_family(view.config.dns_addresses, f)))
    return nft.Ruleset(
        chains=(nft.Chain(name=LEARN, rules=rules, base=nft.Hook(type="filter", hook="output", priority=10)),),
        sets=tuple(_asking(f, asking) for f in FAMILIES),
    )


def _copy(family: Family, servers: Iterable[str]) -> nft.Rule:
    return nft.Rule(
        match=(
            nft.OneOf(Field.L4PROTO, ("udp", "tcp")),
            nft.Is(Field.SPORT, _DNS),
            nft.OneOf(family.saddr, tuple(servers)),
            nft.InSet((family.daddr,), f"asking{family.version}"),
        ),
        then=(ANSWERS, nft.Log("names", group=NAMES_GROUP, snaplen=ANSWER_BYTES)),
        comment="what pods are told of names that their policy is about",
    )


def _asking(family: Family, addresses: Iterable[str]) -> nft.Set:
    keys = frozenset((address,) for address in of_family(addresses, family))
    return nft.Set(name=f"asking{family.version}", type=(family.type,), elements=keys)
