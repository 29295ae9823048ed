"""What a caller is told of a Service is what the reference reads off the rules for it, one caller at a time."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import event, given, settings

from builders import service
from meshworlds import dr
from tandem.compile.envoy.callers import among_of, policy_among
from tandem.ir.traffic import LoadBalancer, TrafficPolicy
from tandem.model.istio import DestinationRule
from tandem.model.world import World
from tandem.reference.destinationrules import destination_rules
from tandem.reference.request import Caller
from tandem.translate.mesh.istio.destinationrule import translate_destination_rules
from tandem.translate.options import Options

SPACES = ("default", "shop", "bank", "istio-system")
SERVICES = [service("web"), service("api", ns="shop")]
HOSTS = ("web.default.svc.cluster.local", "api.shop.svc.cluster.local", "*", "*.default.svc.cluster.local", "*.local")
LABELS: tuple[dict[str, str], ...] = ({"app": "till"}, {"app": "till", "v": "1"}, {"v": "1"}, {})
EXPORTS = (["."], ["*"], ["shop"], ["shop", "bank"], [".", "bank"], ["istio-system"])
selectors = st.sampled_from(LABELS).map(lambda labels: {"workloadSelector": {"matchLabels": labels}})
balancers = st.sampled_from(("RANDOM", "ROUND_ROBIN")).map(lambda name: {"loadBalancer": {"simple": name}})
rules = st.builds(
    lambda name, ns, created, spec, whom: dr(f"r{name}", ns=ns, created=created, **spec, **whom),
    st.integers(0, 3),
    st.sampled_from(SPACES),
    st.sampled_from(("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")),
    st.fixed_dictionaries(
        {
            "host": st.sampled_from(HOSTS),
            "subsets": st.lists(st.sampled_from(("v1", "v2")), max_size=2, unique=True).map(
                lambda names: [{"name": n, "labels": {"version": n}} for n in names]
            ),
        },
        optional={"trafficPolicy": balancers},
    ),
    st.just({}) | st.sampled_from(EXPORTS).map(lambda to: {"exportTo": to}) | selectors,
)


def _seen(policy: TrafficPolicy | None) -> tuple[Any, ...]:
    if policy is None or policy.origin is None:
        return None, LoadBalancer.LEAST_REQUEST, {}
    return policy.origin, policy.traffic.lb, {s.name: s.origin for s in policy.subsets}


def _read(found: tuple[DestinationRule, ...]) -> tuple[Any, ...]:
    subsets: dict[str, Any] = {}
    for rule in found:
        for i, subset in enumerate(rule.spec.subsets):
            subsets.setdefault(subset.name, rule.origin(f"spec.subsets[{i}]"))
    ruled = next((r for r in found if r.spec.traffic_policy is not None), None)
    if ruled is None:
        return found[0].origin() if found else None, LoadBalancer.LEAST_REQUEST, subsets
    assert ruled.spec.traffic_policy is not None
    assert ruled.spec.traffic_policy.load_balancer is not None
    return ruled.origin(), LoadBalancer(ruled.spec.traffic_policy.load_balancer.simple), subsets


@settings(max_examples=400)
@given(st.lists(rules, min_size=1, max_size=5, unique_by=lambda r: r.key))
def test_every_caller_has_the_rules_that_the_reference_finds_for_it(found: list[DestinationRule]) -> None:
    world = World.of([*SERVICES, *found])
    policies = translate_destination_rules(world, Options()).policies
    named = {"/".join(key): policy for key, policy in policies.items()}
    for namespace in (*SPACES, "elsewhere"):
        for labels in ({}, *LABELS[:-1]):
            pairs = tuple(sorted(labels.items()))
            caller = Caller(namespace=namespace, labels=pairs)
            among = dict(among_of(named, namespace, pairs))
            for key in (("default", "web"), ("shop", "api")):
                who = among.get("/".join(key), "")
                event("a rule of its own" if who else "that of all")
                told = policy_among(policies.get(key), who)
                assert _seen(told) == _read(destination_rules(world, key, caller)), caller
                assert namespace != "elsewhere" or not who
