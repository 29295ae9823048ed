"""Chains of other programs that drop what pods send, whatever our own table says: found and told, never changed.

A packet passes every base chain of a hook, and a drop in one of them is final: a machine with Docker, ufw or firewalld
has such chains. In: what the kernel lists, and the prefixes of pods. Out: one sentence for each chain, with the remedy.
Rules are read as far as they are plain, also of chains that they lead to.
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
_VERDICTS: Final = frozenset({"accept", "drop", "reject", "jump", "goto", "return"})
_PLAIN: Final = frozenset({"counter", "log", "match"}) | _VERDICTS
"""Parts of rules that are read; a rule with others is passed over."""
_NONE: Final[Mapping[str, Any]] = {}
Rules = Sequence[Sequence[Mapping[str, Any]]]
"""Expressions of rules, in order."""


def barriers(
    prefixes: Collection[str], netns: str = "", *, besides: Collection[tuple[str, str]] = ()
) -> tuple[str, ...]:
    """Of the namespace at this path, or the calling thread's, but for some tables; raises DriverError."""
    chains = [item["chain"] for item in listing("list chains", netns) if "chain" in item]
    others = (chain for chain in chains if (chain.get("family"), chain.get("table")) not in besides)
    return tuple(sorted(text for chain in others for text in _barrier(chain, prefixes, netns)))


def _barrier(chain: Mapping[str, Any], prefixes: Collection[str], netns: str) -> Iterator[str]:
    kind, table, name, hook = (str(chain.get(key, "")) for key in ("family", "table", "name", "hook"))
    versions = _FAMILIES.get(kind, frozenset())
    concerned = [prefix for prefix in prefixes if family(prefix) in versions]
    if hook not in HOOKS or not concerned or (kind, table) in _OURS:
        return
    chains: dict[str, list[Sequence[Mapping[str, Any]]]] = {}
    try:
        for rule in (item["rule"] for item in listing(f"list table {kind} {table}", netns) if "rule" in item):
            chains.setdefault(rule["chain"], []).append(rule["expr"])
    except DriverError:
        return  # it has gone meanwhile
    if closes(str(chain.get("policy", "accept")), chains.get(name, ()), concerned, chains):
        where = f"the chain {name} of table {kind} {table}"
        yield f"{where} drops {HOOKS[hook]} unless a rule there accepts it: {_remedy(chain, concerned)}"


def _remedy(chain: Mapping[str, Any], prefixes: Collection[str]) -> str:
    if chain["table"] == "firewalld":  # it writes its table anew, and may own it
        sources = " ".join(f"--add-source={prefix}" for prefix in prefixes)
        return f"firewall-cmd --permanent --zone=trusted {sources}; firewall-cmd --reload"
    ways = ("iifname", "oifname") if chain["hook"] == "forward" else ("iifname",)
    place = f"{chain['family']} {chain['table']} {chain['name']}"
    return "; ".join(f'nft insert rule {place} {way} "{LINKS}" accept' for way in ways)


def closes(policy: str, rules: Rules, prefixes: Collection[str], chains: Mapping[str, Rules] = _NONE) -> bool:
    """Whether a base chain drops, in the end, what comes from these prefixes by pods' links."""
    fate = _fate(rules, prefixes, chains)
    return policy == "drop" if fate == "return" else fate != "accept"


def _fate(rules: Rules, prefixes: Collection[str], chains: Mapping[str, Rules]) -> str:
    """What a chain does with all that pods send: a last verdict, or `return`."""
    for rule in rules:
        words = frozenset(word for part in rule for word in part)
        verdict = next(iter(words & _VERDICTS), "")
        matches = [part["match"] for part in rule if "match" in part]
        if not verdict or not words <= _PLAIN or not all(_is_of_pods(match, prefixes) for match in matches):
            continue
        if verdict in {"jump", "goto"}:
            target = next(part[verdict]["target"] for part in rule if verdict in part)
            inner = _fate(chains.get(target, ()), prefixes, chains)
            if verdict == "goto" or inner != "return":
                return inner
        else:
            return verdict
    return "return"


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
