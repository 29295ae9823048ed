"""Any World of pods, namespaces, nodes and policies of every kind, small enough to be unlucky in: for hypothesis.

`NAMES` is what names of domains are known to be. TANDEM_WORLDS says how many Worlds a test draws, where that is its
measure.
"""

from __future__ import annotations

import os
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from builders import cluster_policy, namespace, node, pod, policy
from tandem.model import core
from tandem.model.meta import Object
from tandem.model.world import World

Raw = dict[str, Any]
NAMESPACES = ("default", "shop", "kube-system")
NODES: Final = {"node-1": "192.168.0.1", "node-2": "192.168.0.2"}
NAMES: Final = {
    "api.example.com": ("203.0.113.7",),
    "a.b.example.com": ("203.0.113.200", "2001:db8::1"),
    "web.example.org": ("10.244.0.2",),
}


def budget(usual: int) -> int:
    """How many Worlds to draw."""
    return int(os.environ.get("TANDEM_WORLDS", usual))


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


BROKEN = st.just({"matchExpressions": [{"key": "app", "operator": "Like", "values": ["web"]}]})
"""Of an operator that nobody knows."""
SPECS = st.fixed_dictionaries(
    {"podSelector": st.one_of(*[SELECTORS] * 15, BROKEN)},
    optional={
        "ingress": rules("from"),
        "egress": rules("to"),
        "policyTypes": st.sampled_from((["Ingress"], ["Egress"], ["Ingress", "Egress"])),
    },
)


NOTES = st.fixed_dictionaries(
    {},
    optional={
        "tandem.io/staged": st.sampled_from(("true", "false")),
        "tandem.io/deny": st.sampled_from(("reject", "reject", "drop")),
    },
)
SOMETIMES_NOTES: st.SearchStrategy[dict[str, str]] = st.one_of(st.just({}), NOTES)
POD_PEERS = st.one_of(
    st.builds(lambda s: {"namespaces": s}, NAMESPACE_SELECTORS),
    st.builds(
        lambda n, s: {"pods": {"namespaceSelector": n, "podSelector": s}},
        st.one_of(NAMESPACE_SELECTORS, st.just({})),
        SELECTORS,
    ),
)
NETWORKS = st.lists(
    st.sampled_from(
        ("0.0.0.0/0", "::/0", "10.244.0.0/16", "10.244.0.0/23", "203.0.113.0/25", "2001:db8::/32", "192.168.0.0/30")
    ),
    min_size=1,
    max_size=2,
    unique=True,
)
WIDE_PEERS = st.one_of(
    st.builds(lambda n: {"networks": n}, NETWORKS),
    st.builds(lambda s: {"nodes": s}, st.sampled_from(({}, {"matchLabels": {"rack": "r1"}}))),
    st.builds(
        lambda n: {"domainNames": n},
        st.lists(
            st.sampled_from(("api.example.com", "*.example.com", "*.b.example.com", "web.example.org.")),
            min_size=1,
            max_size=2,
            unique=True,
        ),
    ),
)
UNREADABLE_PEERS = st.sampled_from(({}, {"namespaces": {}, "networks": ["10.0.0.0/8"]}, {"networks": ["nowhere"]}))
TIER_PORTS = st.one_of(
    st.builds(
        lambda p, n: {p.lower(): {"destinationPort": {"number": n}}}, PROTOCOLS, st.sampled_from((53, 80, 80, 8080))
    ),
    st.builds(
        lambda p, n: {p.lower(): {"destinationPort": {"range": {"start": n, "end": n + 40}}}},
        PROTOCOLS,
        st.sampled_from((50, 79, 8050)),
    ),
    st.builds(lambda n: {"destinationNamedPort": n}, st.sampled_from(("http", "http", "dns", "nobody"))),
)
OLDER_PORTS = st.one_of(
    st.builds(lambda p, n: {"portNumber": {"protocol": p, "port": n}}, PROTOCOLS, st.sampled_from((53, 80, 8080))),
    st.builds(
        lambda p, n: {"portRange": {"protocol": p, "start": n, "end": n + 40}}, PROTOCOLS, st.sampled_from((50, 8050))
    ),
    st.builds(lambda n: {"namedPort": n}, st.sampled_from(("http", "dns"))),
)
EVERY_POD: st.SearchStrategy[Raw] = st.just({"namespaces": {}})
SUBJECTS: st.SearchStrategy[Raw] = st.one_of(EVERY_POD, EVERY_POD, POD_PEERS)


@st.composite
def tier_rules(draw: st.DrawFn, word: str, *, older: bool, baseline: bool) -> list[Raw]:
    """Rules of one side; now and then one that cannot be read."""
    actions = ["Allow" if older else "Accept", "Deny", "Deny", *([] if older and baseline else ["Pass"])]
    # Wide ones are frequent: rules decide something only where several have the packet.
    peers = (
        st.one_of(EVERY_POD, POD_PEERS) if word == "from" else st.one_of(EVERY_POD, POD_PEERS, WIDE_PEERS, WIDE_PEERS)
    )
    found = []
    for i in range(draw(st.sampled_from((2, 1, 3, 0)))):
        action = draw(st.sampled_from(actions))
        chosen = draw(st.lists(peers, min_size=1, max_size=2))
        if draw(st.integers(0, 15)) == 0:
            chosen.append(draw(UNREADABLE_PEERS))
        limited = draw(st.booleans())
        ports = draw(st.lists(OLDER_PORTS if older else TIER_PORTS, min_size=1, max_size=2)) if limited else []
        rule: Raw = {"action": action, word: chosen, **({"ports" if older else "protocols": ports} if ports else {})}
        found.append({**rule, "name": f"rule {i}"} if draw(st.booleans()) else rule)
    return found


@st.composite
def tier_policies(draw: st.DrawFn, name: str) -> Object:
    kind = draw(st.sampled_from(("ClusterNetworkPolicy",) * 3 + ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy")))
    older = kind != "ClusterNetworkPolicy"
    tier = draw(st.sampled_from(("Admin", "Baseline"))) if not older else ""
    baseline = kind == "BaselineAdminNetworkPolicy"
    spec: Raw = {
        "subject": draw(SUBJECTS) if draw(st.integers(0, 11)) else {},
        "ingress": draw(tier_rules("from", older=older, baseline=baseline)),
        "egress": draw(tier_rules("to", older=older, baseline=baseline)),
    }
    if tier:
        spec["tier"] = tier
    if not baseline:
        spec["priority"] = draw(st.integers(0, 5))
    return cluster_policy("default" if baseline else name, kind=kind, notes=draw(SOMETIMES_NOTES), **spec)


def machine(name: str, **labels: str) -> core.Node:
    """A node with its address and pod prefix."""
    made = node(name, **labels)
    return msgspec.structs.replace(
        made, status=core.NodeStatus(addresses=(core.NodeAddress(type="InternalIP", address=NODES[name]),))
    )


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
    objects += [machine(name, **({"rack": "r1"} if draw(st.booleans()) else {})) for name in NODES]
    for i, spec in enumerate(draw(st.lists(SPECS, max_size=3))):
        notes, space = draw(SOMETIMES_NOTES), draw(st.sampled_from(NAMESPACES))
        objects.append(policy(f"policy-{i}", ns=space, notes=notes, **dict[str, Any](spec)))
    if draw(st.integers(0, 3)):
        objects += [draw(tier_policies(f"tier-{i}")) for i in range(draw(st.sampled_from((3, 2, 1, 4))))]
    return World.of(objects)


@st.composite
def histories(draw: st.DrawFn) -> list[World]:
    """Worlds that follow one another: objects come, go and change, and most stay."""
    first, second = draw(worlds()), draw(worlds())
    pool: dict[tuple[str, tuple[str, str]], list[Object]] = {}
    for obj in (*first.objects(), *second.objects()):
        pool.setdefault((obj.kind, obj.key), []).append(obj)
    states = [first]
    for _ in range(draw(st.integers(1, 3))):
        now = {(obj.kind, obj.key): obj for obj in states[-1].objects()}
        for at in draw(st.lists(st.sampled_from(sorted(pool)), min_size=1, max_size=4, unique=True)):
            now.pop(at, None)
            if draw(st.integers(0, 2)):
                if at[0] == "Pod":  # an address is one pod's: that of its namesake elsewhere
                    now = {k: v for k, v in now.items() if (k[0], k[1][1]) != ("Pod", at[1][1])}
                now[at] = draw(st.sampled_from(pool[at]))
        states.append(World.of(now.values()))
    return states


def replays(history: list[Any], empty: Any) -> dict[str, list[Any]]:
    """Other ways through the same states; each ends in one of them."""
    return {
        "as it was": history,
        "reversed": history[::-1],
        "torn down between": [state for one in history for state in (one, empty)] + history[-1:],
        "each twice": [state for one in history for state in (one, one)],
        "there and back": [*history, *history[-2::-1]],
        "from the end again": [*history, *history],
    }
