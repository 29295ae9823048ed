"""What is legal in a NetworkPolicy but hardly meant: reported as warnings on a Translator. Pure."""

from __future__ import annotations

import ipaddress

from tandem.base.problems import Origin
from tandem.ir.policy import Anyone, Cidr, Group, PolicyIR, Rule
from tandem.model import core
from tandem.model.policy import EgressRule, IngressRule, NetworkPolicy
from tandem.model.world import World
from tandem.translate.policy.rules import Translator, no_such_port
from tandem.translate.policy.select import named_ports


def about_policy(
    policy: NetworkPolicy, world: World, *, subjects: tuple[core.Pod, ...], translator: Translator
) -> None:
    """Warnings that concern one policy."""
    _everyone(policy, translator)
    if subjects:
        _ingress_names(policy, subjects, translator)
        return
    namespace = policy.metadata.namespace
    if _unknown_namespace(world, namespace):
        text = f"namespace {namespace!r} does not exist and has no pods: the policy does nothing"
        translator.report(policy.origin(), "NamespaceNotFound", text)
    else:
        text = f"spec.podSelector matches no pod in namespace {namespace!r} now: the policy does nothing until one does"
        translator.report(policy.origin("spec.podSelector"), "SelectsNoPod", text)


def _unknown_namespace(world: World, namespace: str) -> bool:
    return namespace != "default" and world.get(core.Namespace, "", namespace) is None


def _everyone(policy: NetworkPolicy, translator: Translator) -> None:
    """`from: []` reads like "from nobody" and means "from everybody" (API docs: empty matches all sources)."""
    sides: tuple[tuple[str, str, str, str, tuple[IngressRule | EgressRule, ...]], ...] = (
        ("Ingress", "ingress", "from", "source", policy.spec.ingress),
        ("Egress", "egress", "to", "destination", policy.spec.egress),
    )
    for kind, field, word, noun, rules in sides:
        if kind not in policy.types:
            continue
        for i, rule in enumerate(rules):
            if rule.peers or rule.ports:
                continue
            path = f"spec.{field}[{i}]"
            text = (
                f"{path} has an empty or missing `{word}` and so matches every {noun}: by the Kubernetes API the "
                f"policy allows all {field}. To block instead, write `{field}: []` or drop this rule; to allow "
                "everything, leave it as it is"
            )
            translator.report(policy.origin(path), f"MatchesEvery{noun.capitalize()}", text)


def _ingress_names(policy: NetworkPolicy, subjects: tuple[core.Pod, ...], translator: Translator) -> None:
    if "Ingress" not in policy.types:
        return
    offered = {(name, protocol) for pod in subjects for name, protocol, _ in named_ports(pod)}
    for i, rule in enumerate(policy.spec.ingress):
        origin = policy.origin(f"spec.ingress[{i}]")
        for port in rule.ports:
            if isinstance(port.port, str) and (port.port, port.protocol) not in offered:
                translator.report(origin, "NamedPortNotFound", no_such_port(origin, port, "selected"))


def about_dns(ir: PolicyIR, dns_addresses: tuple[str, ...], translator: Translator) -> None:
    """Pods that may send something, but ask no name: hardly meant, and it looks like a broken network."""
    reported: set[Origin] = set()
    for set_id in sorted(set(ir.egress.values())):
        judged = ir.sets[set_id]
        if not judged.rules or any(_allows_dns(r, ir, a) for r in judged.rules for a in dns_addresses):
            continue
        for origin in judged.isolated_by:
            if origin not in reported:
                reported.add(origin)
                text = (
                    "pods that this policy isolates for egress may not ask the cluster's DNS "
                    f"({', '.join(dns_addresses)}, UDP 53): names will not resolve. Allow it with an egress rule to "
                    "namespaceSelector kubernetes.io/metadata.name=kube-system, podSelector k8s-app=kube-dns"
                )
                translator.report(origin, "DnsNotAllowed", text)


def _allows_dns(rule: Rule, ir: PolicyIR, address: str) -> bool:
    if rule.ports and not any(p.protocol == "UDP" and p.first <= 53 <= p.last for p in rule.ports):
        return False
    for peer in rule.peers:
        match peer:
            case Anyone():
                return True
            case Group(id=group) if address in ir.groups[group].addresses:
                return True
            case Cidr(prefix=prefix, excepts=excepts) if _inside(address, prefix):
                if not any(_inside(address, e) for e in excepts):
                    return True
            case _:
                continue
    return False


def _inside(address: str, prefix: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(prefix)
