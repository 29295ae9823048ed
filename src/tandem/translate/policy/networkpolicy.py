"""networking.k8s.io/v1 NetworkPolicy -> Draft. Pure, and of the one policy alone.

An empty `from`/`to` is everyone, empty `ports` is every packet. What cannot be evaluated allows nobody, and is told.
"""

from __future__ import annotations

from collections.abc import Iterator

from tandem.base.problems import Origin
from tandem.ir.policy import Anyone, Cidr, PortMatch, Protocol
from tandem.model.cidr import odd_form, parse_cidr, within
from tandem.model.policy import EgressRule, IngressRule, IpBlock, NetworkPolicy, PolicyPeer, PolicyPort
from tandem.model.selectors import LabelSelector
from tandem.translate.policy.draft import Clause, ClausePeer, Draft, Judgement, NamedPort, PodSelector, Tier
from tandem.translate.policy.report import Report

PROTOCOLS = frozenset(p.value for p in Protocol)
_TYPES = ("Ingress", "Egress")


def draft_networkpolicy(policy: NetworkPolicy) -> Draft:
    """The Draft of a NetworkPolicy: allows, in tier NETWORK."""
    report = Report(policy)
    report.unread()
    notes = report.notes()
    namespace = policy.metadata.namespace
    types = _types(policy, report)
    pods = policy.spec.pod_selector
    understood = report.selector(pods, "spec.podSelector")
    ingress, egress = (policy.spec.ingress, policy.spec.egress) if understood else ((), ())
    return Draft(
        origin=policy.origin(),
        tier=Tier.NETWORK,
        order=policy.key,
        # Whom nobody may mean is isolated, and allowed nothing.
        subject=PodSelector(namespace=namespace, pods=pods if understood else LabelSelector()),
        ingress=_side(policy, ingress, "ingress", "from", report) if "Ingress" in types else None,
        egress=_side(policy, egress, "egress", "to", report) if "Egress" in types else None,
        staged=notes.staged,
        rejects=notes.rejects,
        keeps=notes.keeps,
        problems=report.problems,
    )


def _types(policy: NetworkPolicy, report: Report) -> frozenset[str]:
    wrong = False
    for i, name in enumerate(policy.spec.policy_types):
        if name not in _TYPES:
            wrong = True
            text = f"{name!r} is neither Ingress nor Egress: the policy isolates for both"
            report.error(f"spec.policyTypes[{i}]", "InvalidValue", text)
    return frozenset(_TYPES) if wrong else policy.types


def _side(
    policy: NetworkPolicy, rules: tuple[IngressRule | EgressRule, ...], field: str, word: str, report: Report
) -> Judgement:
    clauses = []
    for i, rule in enumerate(rules):
        at = f"spec.{field}[{i}]"
        clause = _clause(rule, policy.origin(at), namespace=policy.metadata.namespace, report=report, at=(at, word))
        if clause is not None:
            clauses.append(clause)
    return Judgement(origin=policy.origin(f"spec.{field}"), clauses=tuple(clauses))


def _clause(
    rule: IngressRule | EgressRule, origin: Origin, *, namespace: str, report: Report, at: tuple[str, str]
) -> Clause | None:
    """None: the rule allows nobody."""
    path, word = at
    peers: tuple[ClausePeer, ...] = (Anyone(),)
    if rule.peers:
        peers = tuple(
            p for i, peer in enumerate(rule.peers) for p in _peer(peer, namespace, report, f"{path}.{word}[{i}]")
        )
    numbers: list[PortMatch] = []
    names: list[NamedPort] = []
    for i, port in enumerate(rule.ports):
        found = _port(port, report, f"{path}.ports[{i}]")
        if isinstance(found, PortMatch):
            numbers.append(found)
        elif found is not None:
            names.append(found)
    if not peers or (rule.ports and not numbers and not names):
        return None
    ports = tuple(sorted(set(numbers)))
    return Clause(origin=origin, peers=peers, ports=ports, names=tuple(dict.fromkeys(names)), every_port=not rule.ports)


def _peer(peer: PolicyPeer, namespace: str, report: Report, at: str) -> Iterator[ClausePeer]:
    selectors = [("podSelector", peer.pod_selector), ("namespaceSelector", peer.namespace_selector)]
    given = [(f"{at}.{name}", selector) for name, selector in selectors if selector is not None]
    if peer.ip_block is not None:
        if given:
            text = "may not be given together with a selector: the peer matches nobody"
            report.error(f"{at}.ipBlock", "InvalidPeer", text)
        else:
            yield from _block(peer.ip_block, report, f"{at}.ipBlock")
    elif not given and report.unread_in(at):
        return  # told of already
    elif not given:
        word = at.rpartition(".")[2].partition("[")[0]
        text = (
            f"{at} names no podSelector, namespaceSelector or ipBlock: the Kubernetes API knows no "
            f"such peer, and it matches nobody; to match everyone, leave `{word}` out"
        )
        report.error(at, "EmptyPeer", text)
    elif all(report.selector(selector, path) for path, selector in given):
        yield pod_peer(peer, namespace)


def pod_peer(peer: PolicyPeer, namespace: str) -> PodSelector:
    """What a peer with selectors means in a policy of `namespace`."""
    return PodSelector(
        namespace="" if peer.namespace_selector is not None else namespace,
        namespaces=peer.namespace_selector,
        pods=peer.pod_selector or LabelSelector(),
    )


def _block(block: IpBlock, report: Report, at: str) -> Iterator[Cidr]:
    prefix = parse_cidr(block.cidr)
    parsed = [(i, text, parse_cidr(text)) for i, text in enumerate(block.excepts)]
    broken = [(f"{at}.except[{i}]", text) for i, text, network in parsed if network is None]
    if prefix is None:
        broken.insert(0, (f"{at}.cidr", block.cidr))
    for path, text in broken:
        why = f"{text!r} is no prefix such as 10.0.0.0/8: the peer matches nobody until it is one"
        report.error(path, "InvalidCidr", why)
    if prefix is None or broken:
        return
    for path, text in ((f"{at}.cidr", block.cidr), *((f"{at}.except[{i}]", text) for i, text, _ in parsed)):
        if odd := odd_form(text):
            report.warning(path, "OddPrefix", odd)
    excepts = set()
    for i, text, network in parsed:
        if network is not None and (within(network, prefix) or within(prefix, network)):
            excepts.add(network)
        else:
            report.warning(
                f"{at}.except[{i}]", "ExceptOutside", f"{text!r} lies outside of {block.cidr}: it takes nothing"
            )
    ordered = sorted(excepts, key=lambda n: (n.network_address.packed, n.prefixlen))
    yield Cidr(prefix=str(prefix), excepts=tuple(str(n) for n in ordered))


def _port(port: PolicyPort, report: Report, at: str) -> PortMatch | NamedPort | None:
    """None, and told: the entry matches nothing."""
    if port.protocol not in PROTOCOLS and report.unread_in(at):
        return None  # told of already
    if port.protocol not in PROTOCOLS:
        text = f"{port.protocol!r} is none of TCP, UDP and SCTP: the entry matches nothing"
        report.error(f"{at}.protocol", "InvalidValue", text)
    elif isinstance(port.port, str):
        if port.end_port is None:
            return NamedPort(name=port.port, protocol=port.protocol)
        text = f"endPort needs a number as port, not the name {port.port!r}: the entry matches nothing"
        report.error(f"{at}.endPort", "InvalidPortRange", text)
    elif port.port is None:
        if port.end_port is None:
            return PortMatch(protocol=port.protocol)
        report.error(f"{at}.endPort", "InvalidPortRange", "endPort needs a port: the entry matches nothing")
    else:
        return _number(port.protocol, port.port, port.port if port.end_port is None else port.end_port, report, at)
    return None


def _number(protocol: str, first: int, last: int, report: Report, at: str) -> PortMatch | None:
    if 1 <= first <= last <= 65535:
        return PortMatch(protocol=protocol, first=first, last=last)
    if first <= last:
        report.error(f"{at}.port", "InvalidPortRange", "ports are from 1 to 65535: the entry matches nothing")
    else:
        text = f"endPort {last} is below port {first}: the entry matches nothing"
        report.error(f"{at}.endPort", "InvalidPortRange", text)
    return None
