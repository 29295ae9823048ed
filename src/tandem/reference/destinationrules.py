"""Which DestinationRules count for a caller of a Service, as Istio's pages and its look-up say.

Shares no code with translation: one caller at a time is asked about, and every rule is looked at for it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from tandem.model.gateways import Gateway
from tandem.model.istio import DestinationRule
from tandem.model.world import World
from tandem.reference.authentication import Judging, labels_of
from tandem.reference.ingressgateway import LABELS, IngressGateway
from tandem.reference.request import ANYBODY, Caller
from tandem.reference.support import ROOT, age, host, refused


def caller_of(client: Judging | None) -> Caller:
    """A pod, or a gateway as whose pods Istio would know it; None: nobody in particular."""
    match client:
        case None:
            return ANYBODY
        case IngressGateway():
            labels = [(name, value) for name, values in LABELS.items() for value in values]
            return Caller(namespace=ROOT, labels=tuple(sorted(labels)))
        case Gateway():
            return Caller(namespace=client.metadata.namespace, labels=tuple(sorted(labels_of(client).items())))
        case _:
            return Caller(namespace=client.metadata.namespace, labels=tuple(sorted(client.metadata.labels.items())))


def destination_rules(
    world: World,
    service: tuple[str, str],
    caller: Caller = ANYBODY,
    *,
    cluster_domain: str = "cluster.local",
) -> tuple[DestinationRule, ...]:
    """Those that count, oldest first; `service`: its namespace and name.

    They are looked for in three places: beside the caller, beside the Service, in the root namespace; the first in
    which one is about the Service, and for the caller, has them all. A caller in the root namespace finds there, at
    first, what is for nobody else. Of one place only the most specific host counts, and what selects the caller's
    workload before what selects none. The traffic policy is that of the first that has any.
    """
    about = [r for r in sorted(world.all(DestinationRule).values(), key=age) if _about(r, service, cluster_domain)]
    heard = [r for r in about if _hears(r, caller) and not refused(world, r)]
    home = caller.namespace
    beside = [r for r in heard if r.metadata.namespace == home and (home != ROOT or _keeps_to_itself(r))]
    for place in (beside, _everywhere(heard, service[0]), _everywhere(heard, ROOT)):
        if place:
            return _narrowest(place)
    return ()


def _hears(rule: DestinationRule, caller: Caller) -> bool:
    home = rule.metadata.namespace
    if rule.spec.workload_selector is not None:
        return home == caller.namespace and rule.spec.workload_selector.match_labels.items() <= set(caller.labels)
    told = {home if name == "." else name for name in rule.spec.export_to or ("*",)}
    return "*" in told or caller.namespace in told


def _keeps_to_itself(rule: DestinationRule) -> bool:
    return rule.spec.workload_selector is not None or set(rule.spec.export_to) in ({"."}, {rule.metadata.namespace})


def _everywhere(rules: list[DestinationRule], namespace: str) -> list[DestinationRule]:
    return [r for r in rules if r.metadata.namespace == namespace and r.spec.workload_selector is None]


def _narrowest(rules: list[DestinationRule]) -> tuple[DestinationRule, ...]:
    exact = [r for r in rules if "*" not in r.spec.host]
    longest = max(len(r.spec.host) for r in rules)
    found = exact or [r for r in rules if len(r.spec.host) == longest]
    selecting = [r.spec.workload_selector for r in found if r.spec.workload_selector is not None]
    return tuple(r for r in found if r.spec.workload_selector == (selecting[0] if selecting else None))


def _about(rule: DestinationRule, service: tuple[str, str], domain: str) -> bool:
    if rule.spec.host.startswith("*"):
        return fnmatchcase(f"{service[1]}.{service[0]}.svc.{domain}", rule.spec.host)
    return host(rule.spec.host, rule.metadata.namespace, domain) == service
