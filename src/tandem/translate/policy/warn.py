"""What is legal in a policy but hardly meant: reported as warnings on a Resolver. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection

import msgspec

from tandem.base.ids import GroupId
from tandem.base.problems import Problem, Severity
from tandem.ir.policy import Anyone, Cidr, Group, PolicyIR, PolicySet, Rule, Side, Verdict
from tandem.model import core
from tandem.model.world import World
from tandem.translate.policy.draft import Clause, Draft, Tier
from tandem.translate.policy.resolve import NamedPorts, Resolver, no_such_port

Has = Callable[[GroupId, str], bool]

_NOUNS = {
    Side.INGRESS: ("ingress", "from", "source"),
    Side.EGRESS: ("egress", "to", "destination"),
}


def about_policy(draft: Draft, world: World, *, subjects: Collection[NamedPorts], resolver: Resolver) -> None:
    """Warnings that concern one policy; `subjects`: the named ports of its pods, the same ones once or more often."""
    if draft.tier is Tier.NETWORK:
        _everyone(draft, resolver)
    if subjects:
        _ingress_names(draft, subjects, resolver)
        return
    namespace = draft.origin.namespace
    if not namespace:
        at = msgspec.structs.replace(draft.origin, path="spec.subject")
        text = "no pod matches now: the policy does nothing until one does"
        resolver.warn(at, "SelectsNoPod", text)
    elif _unknown_namespace(world, namespace):
        text = f"namespace {namespace!r} does not exist and has no pods: the policy does nothing"
        resolver.warn(draft.origin, "NamespaceNotFound", text)
    else:
        at = msgspec.structs.replace(draft.origin, path="spec.podSelector")
        text = f"no pod in namespace {namespace!r} matches now: the policy does nothing until one does"
        resolver.warn(at, "SelectsNoPod", text)


def _unknown_namespace(world: World, namespace: str) -> bool:
    return namespace != "default" and world.get(core.Namespace, "", namespace) is None


def _everyone(draft: Draft, resolver: Resolver) -> None:
    """`from: []` reads like "from nobody" and means "from everybody" (API docs: empty matches all sources)."""
    for side, (field, word, noun) in _NOUNS.items():
        judgement = draft.side(side)
        for clause in () if judgement is None else judgement.clauses:
            if clause.every_port and clause.peers == (Anyone(),):
                text = (
                    f"an empty or missing `{word}` matches every {noun}: by the Kubernetes API the policy allows all "
                    f"{field}. To block instead, write `{field}: []` or drop this rule; to allow everything, leave it "
                    "as it is"
                )
                resolver.warn(clause.origin, f"MatchesEvery{noun.capitalize()}", text)


def _ingress_names(draft: Draft, subjects: Collection[NamedPorts], resolver: Resolver) -> None:
    clauses: tuple[Clause, ...] = () if draft.ingress is None else draft.ingress.clauses
    if not any(c.names for c in clauses):
        return
    offered = {p for ports in subjects for name, protocol, _ in ports for p in ((name, protocol), (name, ""))}
    for clause in clauses:
        for port in clause.names:
            if (port.name, port.protocol) not in offered:
                resolver.warn(clause.origin, "NamedPortNotFound", no_such_port(clause.origin, port, "selected"))


def about_dns(ir: PolicyIR, dns_addresses: tuple[str, ...], resolver: Resolver) -> None:
    """Pods that may send something, but ask no name: hardly meant, and it looks like a broken network."""

    def has(group: GroupId, address: str) -> bool:
        return address in ir.groups[group].addresses

    for set_id in sorted(set(ir.egress.values())):
        for problem in dns_refused(ir.sets[set_id], dns_addresses, has):
            resolver.report(problem)


def dns_refused(judged: PolicySet, dns_addresses: tuple[str, ...], has: Has) -> tuple[Problem, ...]:
    """The same of one set of egress; `has`: whether a group has an address."""
    accepting = (*(r for r in judged.admin if r.verdict is Verdict.ACCEPT), *judged.rules)
    if not judged.rules or any(_allows_dns(r, has, a) for r in accepting for a in dns_addresses):
        return ()
    text = (
        "pods that this policy isolates for egress may not ask the cluster's DNS "
        f"({', '.join(dns_addresses)}, UDP 53): names will not resolve. Allow it with an egress rule to "
        "namespaceSelector kubernetes.io/metadata.name=kube-system, podSelector k8s-app=kube-dns"
    )
    return tuple(
        Problem(at=origin, code="DnsNotAllowed", text=text, severity=Severity.WARNING)
        for origin in dict.fromkeys(judged.isolated_by)
    )


def _allows_dns(rule: Rule, has: Has, address: str) -> bool:
    if rule.ports and not any(p.protocol == "UDP" and p.first <= 53 <= p.last for p in rule.ports):
        return False
    for peer in rule.peers:
        match peer:
            case Anyone():
                return True
            case Group(id=group) if has(group, address):
                return True
            case Cidr(prefix=prefix, excepts=excepts) if _inside(address, prefix):
                if not any(_inside(address, e) for e in excepts):
                    return True
            case _:
                continue
    return False


def _inside(address: str, prefix: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(prefix)
