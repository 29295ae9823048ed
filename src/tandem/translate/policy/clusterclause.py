"""One rule of a policy of the tiers -> Clause. Pure; what cannot be evaluated is raised as Unclear, with its path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tandem.base.problems import Origin
from tandem.ir.policy import Cidr, Domains, PortMatch, Verdict
from tandem.model.cidr import parse_cidr
from tandem.model.clusterpolicy import (
    DOMAIN_NAME,
    ClusterEgressRule,
    ClusterIngressRule,
    ClusterPeer,
    ClusterProtocol,
    OfProtocol,
    Subject,
)
from tandem.model.selectors import LabelSelector, unknown_operator
from tandem.translate.policy.draft import Clause, ClausePeer, NamedPort, NodeSelector, PodSelector

ClusterRule = ClusterIngressRule | ClusterEgressRule
VERDICTS: Final = {"Accept": Verdict.ACCEPT, "Deny": Verdict.DENY, "Pass": Verdict.PASS}


class Unclear(Exception):  # noqa: N818 - not a failure: it ends the evaluation of one rule
    """A part that cannot be evaluated: its path, the code of a Problem, and why."""

    def __init__(self, path: str, code: str, why: str) -> None:
        super().__init__(path, code, why)
        self.path, self.code, self.why = path, code, why


def clause_of(rule: ClusterRule, origin: Origin, *, at: str, ports_word: str) -> Clause:
    """The clause of the rule at path `at`, of which `ports_word` names the list of ports; raises Unclear."""
    verdict = VERDICTS.get(rule.action)
    if verdict is None:
        raise Unclear(f"{at}.action", "InvalidValue", "is none of the actions known here")
    word = "from" if isinstance(rule, ClusterIngressRule) else "to"
    if not rule.peers:
        raise Unclear(f"{at}.{word}", "UnknownPeer", "has no entry")
    peers = [
        p for i, peer in enumerate(rule.peers) for p in _peer(peer, f"{at}.{word}[{i}]", word=word, verdict=verdict)
    ]
    matches = [_protocol(p, f"{at}.{ports_word}[{i}]") for i, p in enumerate(rule.protocols)]
    names = [m for m in matches if isinstance(m, NamedPort)]
    if names and not all(isinstance(p, PodSelector) for p in peers):
        text = "names a port, but networks, nodes and domainNames have no named ports"
        raise Unclear(f"{at}.{ports_word}", "NamedPortWithoutPods", text)
    return Clause(
        origin=origin,
        peers=tuple(peers),
        verdict=verdict,
        ports=tuple(sorted({m for m in matches if isinstance(m, PortMatch)})),
        names=tuple(dict.fromkeys(names)),
        every_port=not matches,
    )


def pods_of(peer: Subject | ClusterPeer, at: str) -> PodSelector | None:
    """The pods that a subject or peer selects; None if it is of another sort. Raises Unclear."""
    if peer.namespaces is not None:
        return PodSelector(namespaces=_sound(peer.namespaces, f"{at}.namespaces"))
    if peer.pods is not None:
        return PodSelector(
            namespaces=_sound(peer.pods.namespace_selector, f"{at}.pods.namespaceSelector"),
            pods=_sound(peer.pods.pod_selector, f"{at}.pods.podSelector"),
        )
    return None


def _peer(peer: ClusterPeer, at: str, *, word: str, verdict: Verdict) -> Iterator[ClausePeer]:
    given = [
        name
        for name, value in (
            ("namespaces", peer.namespaces is not None),
            ("pods", peer.pods is not None),
            ("nodes", peer.nodes is not None),
            ("networks", bool(peer.networks)),
            ("domainNames", bool(peer.domain_names)),
        )
        if value
    ]
    if len(given) != 1 or (word == "from" and given[0] not in {"namespaces", "pods"}):
        what = f"has {' and '.join(given)}" if given else "has no field that is known here"
        raise Unclear(at, "UnknownPeer", f"is to have exactly one kind of peer, and {what}")
    pods = pods_of(peer, at)
    if pods is not None:
        yield pods
    elif peer.nodes is not None:
        yield NodeSelector(nodes=_sound(peer.nodes, f"{at}.nodes"))
    elif peer.networks:
        for i, text in enumerate(peer.networks):
            prefix = parse_cidr(text)
            if prefix is None:
                raise Unclear(f"{at}.networks[{i}]", "InvalidCidr", f"{text!r} is no prefix such as 10.0.0.0/8")
            yield Cidr(prefix=str(prefix))
    elif verdict is not Verdict.ACCEPT:
        text = "names can be accepted only: what a name stands for is never known as a whole"
        raise Unclear(f"{at}.domainNames", "UnsupportedValue", text)
    else:
        for i, name in enumerate(peer.domain_names):
            if DOMAIN_NAME.fullmatch(name) is None:
                raise Unclear(f"{at}.domainNames[{i}]", "InvalidValue", f"{name!r} is no name such as example.com")
        yield Domains(patterns=tuple(sorted({n.lower().removesuffix(".") for n in peer.domain_names})))


def _sound(selector: LabelSelector, at: str) -> LabelSelector:
    wrong = unknown_operator(selector)
    if wrong:
        raise Unclear(f"{at}.{wrong}", "UnknownOperator", "is no operator of label selectors")
    return selector


def _protocol(entry: ClusterProtocol, at: str) -> PortMatch | NamedPort:
    given: list[tuple[str, OfProtocol | None]] = [
        (name, value) for name, value in (("TCP", entry.tcp), ("UDP", entry.udp), ("SCTP", entry.sctp)) if value
    ]
    if entry.destination_named_port and not given:
        return NamedPort(name=entry.destination_named_port)
    if len(given) != 1 or entry.destination_named_port:
        raise Unclear(at, "UnknownProtocol", "is to have exactly one protocol or name that is known here")
    protocol, of = given[0]
    port = of.destination_port if of is not None else None
    if port is None or (port.number is None) == (port.range is None):
        raise Unclear(at, "UnknownProtocol", "is to have a number or a range of ports")
    first, last = (port.number, port.number) if port.range is None else (port.range.start, port.range.end)
    if first is None or last is None or not 1 <= first <= last <= 65535:
        raise Unclear(at, "InvalidPortRange", f"{first}-{last} is no range within 1-65535")
    return PortMatch(protocol=protocol, first=first, last=last)
