"""Chains of other programs that drop what pods send, whatever our own table says: found and told, never changed.

A packet passes every base chain of a hook, and a drop in one of them is final: a machine with Docker, ufw or firewalld
has such chains. In: what the kernel lists, and the prefixes of pods. Out: one sentence for each chain, with the remedy.
Rules are read as far as they are plain; what a chain that is jumped to would accept is not known here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any, Final

from tandem.base.addresses import family
from tandem.base.problems import DriverError
from tandem.drivers.nft.real import listing
from tandem.state.ownership import NODE_TABLES, SHUT_TABLE

LINKS: Final = "td*"
"""The host ends of pods, and their bridge."""
HOOKS: Final = {"forward": "what is forwarded", "input": "what comes to the node, DNS of pods among it,"}
_FAMILIES: Final = {"ip": frozenset({4}), "ip6": frozenset({6}), "inet": frozenset({4, 6})}
_OURS: Final = frozenset({*NODE_TABLES, ("inet", SHUT_TABLE)})
_VERDICTS: Final = frozenset({"accept", "drop", "reject"})
_PLAIN: Final = frozenset({"counter", "log", "match"}) | _VERDICTS
"""Parts of rules that are read; a rule with others is passed over."""


def barriers(prefixes: Collection[str], netns: str = "") -> tuple[str, ...]:
    """Of the namespace at this path, or the calling thread's; raises DriverError."""
    chains = [item["chain"] for item in listing("list chains", netns) if "chain" in item]
    return tuple(sorted(text for chain in chains for text in _barrier(chain, prefixes, netns)))


def _barrier(chain: Mapping[str, Any], prefixes: Collection[str], netns: str) -> Iterator[str]:
    kind, table, name, hook = (str(chain.get(key, "")) for key in ("family", "table", "name", "hook"))
    versions = _FAMILIES.get(kind, frozenset())
    concerned = [prefix for prefix in prefixes if family(prefix) in versions]
    if hook not in HOOKS or not concerned or (kind, table) in _OURS:
        return
    place = f"{kind} {table} {name}"
    try:
        rules = [item["rule"]["expr"] for item in listing(f"list chain {place}", netns) if "rule" in item]
    except DriverError:
        return  # it has gone meanwhile
    if closes(str(chain.get("policy", "accept")), rules, concerned):
        ways = ("iifname", "oifname") if hook == "forward" else ("iifname",)
        remedy = "; ".join(f'nft insert rule {place} {way} "{LINKS}" accept' for way in ways)
        yield f"the chain {name} of table {kind} {table} drops {HOOKS[hook]} unless a rule there accepts it: {remedy}"


def closes(policy: str, rules: Sequence[Sequence[Mapping[str, Any]]], prefixes: Collection[str]) -> bool:
    """Whether a chain drops, in the end, what comes from these prefixes by pods' links."""
    for rule in rules:
        matches = [part["match"] for part in rule if "match" in part]
        words = frozenset(word for part in rule for word in part)
        verdict = next(iter(words & _VERDICTS), "")
        if not verdict or not words <= _PLAIN:
            continue
        if not matches:
            return verdict != "accept"
        if verdict == "accept" and all(_is_of_pods(match, prefixes) for match in matches):
            return False
    return policy == "drop"


def _is_of_pods(match: Mapping[str, Any], prefixes: Collection[str]) -> bool:
    """Whether it chooses all that pods send."""
    left, right = match.get("left"), match.get("right")
    if match.get("op") not in {"==", "in"} or not isinstance(left, Mapping):
        return False
    if left.get("meta", {}).get("key") == "iifname":
        return right in {LINKS, "*"} if isinstance(right, str) else False
    if left.get("payload", {}).get("field") == "saddr" and isinstance(right, Mapping) and "prefix" in right:
        whole = ip_network(f"{right['prefix']['addr']}/{right['prefix']['len']}", strict=False)
        return all(ip_network(p).version != whole.version or ip_network(p).subnet_of(whole) for p in prefixes)  # type: ignore[arg-type]
    return False
