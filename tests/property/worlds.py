"""Any World of pods, namespaces and NetworkPolicies, small enough to be unlucky in: strategies for hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from builders import namespace, pod, policy
from tandem.model.meta import Object
from tandem.model.world import World

Raw = dict[str, Any]
NAMESPACES = ("default", "shop", "kube-system")
LABELS = st.fixed_dictionaries({}, optional={"app": st.sampled_from(("web", "db")), "tier": st.sampled_from("ab")})
EXPRESSIONS = st.one_of(
    st.builds(
        lambda op, key, values: {"key": key, "operator": op, "values": values},
        st.sampled_from(("In", "NotIn")),
        st.sampled_from(("app", "tier")),
        st.lists(st.sampled_from(("web", "db", "a", "b")), min_size=1, max_size=2),
    ),
    st.builds(
        lambda op, key: {"key": key, "operator": op},
        st.sampled_from(("Exists", "DoesNotExist")),
        st.sampled_from(("app", "tier")),
    ),
)
SELECTORS = st.one_of(
    st.just({}),
    LABELS.map(lambda labels: {"matchLabels": labels}),
    st.lists(EXPRESSIONS, min_size=1, max_size=2).map(lambda found: {"matchExpressions": found}),
)
NAMESPACE_SELECTORS = st.one_of(
    SELECTORS,
    st.sampled_from(NAMESPACES).map(lambda n: {"matchLabels": {"kubernetes.io/metadata.name": n}}),
)
BLOCKS = st.one_of(
    st.sampled_from(
        (
            {"cidr": "0.0.0.0/0"},
            {"cidr": "::/0"},
            {"cidr": "10.244.0.0/16"},
            {"cidr": "10.0.0.0/8", "except": ["10.244.0.0/17"]},
            {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/16", "10.244.3.0/24", "203.0.113.0/25"]},
            {"cidr": "203.0.113.0/24", "except": ["203.0.113.7/32"]},
            {"cidr": "203.0.113.7/32"},
            {"cidr": "10.96.0.10/32"},
        )
    )
)
PEERS = st.one_of(
    st.builds(lambda s: {"podSelector": s}, SELECTORS),
    st.builds(lambda s: {"namespaceSelector": s}, NAMESPACE_SELECTORS),
    st.builds(lambda n, s: {"namespaceSelector": n, "podSelector": s}, NAMESPACE_SELECTORS, SELECTORS),
    st.builds(lambda b: {"ipBlock": b}, BLOCKS),
)
PROTOCOLS = st.sampled_from(("TCP", "UDP", "SCTP"))
PORTS = st.one_of(
    st.builds(lambda p: {"protocol": p}, PROTOCOLS),
    st.builds(lambda p, n: {"protocol": p, "port": n}, PROTOCOLS, st.sampled_from((53, 80, 8080))),
    st.builds(lambda n, more: {"port": n, "endPort": n + more}, st.sampled_from((79, 80, 8000)), st.integers(0, 100)),
    st.builds(lambda n: {"port": n}, st.sampled_from(("http", "dns-tcp", "nobody"))),
    st.just({"protocol": "UDP", "port": "dns"}),
)


def rules(word: str) -> st.SearchStrategy[list[Raw]]:
    rule = st.fixed_dictionaries({}, optional={word: st.lists(PEERS, max_size=2), "ports": st.lists(PORTS, max_size=3)})
    return st.lists(rule, max_size=2)


SPECS = st.fixed_dictionaries(
    {"podSelector": SELECTORS},
    optional={
        "ingress": rules("from"),
        "egress": rules("to"),
        "policyTypes": st.sampled_from((["Ingress"], ["Egress"], ["Ingress", "Egress"])),
    },
)


def _policy(name: str, namespace: str, spec: dict[str, Any]) -> Object:
    return policy(name, ns=namespace, **spec)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    objects: list[Object] = [namespace(n, **draw(LABELS)) for n in NAMESPACES]
    for i in range(draw(st.integers(2, 5))):
        named = draw(st.sampled_from(({}, {"http": 80}, {"http": 8080})))
        objects.append(
            pod(
                f"pod-{i}",
                namespace=draw(st.sampled_from(NAMESPACES)),
                node=draw(st.sampled_from(("node-1", "node-1", "node-2"))),
                ip=(f"10.244.{i}.{i + 2}", f"fd00::{i + 2}"),
                ports=named,
                labels=draw(LABELS),
                phase=draw(st.sampled_from(("Running", "Running", "Running", "Succeeded"))),
                host_network=draw(st.integers(0, 9)) == 0,
            )
        )
    for i, spec in enumerate(draw(st.lists(SPECS, max_size=4))):
        objects.append(_policy(f"policy-{i}", draw(st.sampled_from(NAMESPACES)), spec))
    return World.of(objects)
