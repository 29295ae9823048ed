"""The compiled nftables rules agree with the reference evaluator, for any World and any packet."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import namespace, pod, policy
from nodeviews import DNS, ifname_of, routes, view_of
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import apply, plan
from tandem.drivers.nft.trace import Packet, Trace, trace
from tandem.model import core
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference import policy as reference
from tandem.state import nft
from tandem.translate.policy import translate_policy

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
        objects.append(policy(f"policy-{i}", ns=draw(st.sampled_from(NAMESPACES)), **spec))
    return World.of(objects)


def packets(world: World) -> list[tuple[str, str, str, int]]:
    """(source, destination, protocol, port) between every two ends, one of them a pod."""
    pods = [a for p in world.sorted(core.Pod) if not p.finished for a in p.addresses]
    outside = ["203.0.113.7", "203.0.113.200", "2001:db8::1"]
    pairs = [(s, d) for s in pods for d in (*pods, *outside, DNS) if s != d] + [(s, d) for s in outside for d in pods]
    ports = (("tcp", 80), ("tcp", 8080), ("tcp", 53), ("udp", 53), ("sctp", 80), ("icmp", 0))
    return [(s, d, *port) for s, d in pairs if (":" in s) == (":" in d) for port in ports]


def through_the_nodes(world: World, rulesets: dict[str, nft.Ruleset], packet: Packet) -> Trace:
    """The packet on the source's node, and then on the destination's."""
    where = {a: p for p in world.sorted(core.Pod) if not p.finished for a in p.addresses}
    source, destination = where.get(packet.saddr), where.get(packet.daddr)
    result: Trace | None = None
    for end in (source, destination):
        if end is None or (end is destination and source and source.spec.node_name == end.spec.node_name):
            continue
        node = end.spec.node_name
        arriving = msgspec.structs.replace(packet, iifname=ifname_of(end) if end is source else "eth0")
        result = trace(rulesets[node], arriving, route=routes(world, node_name=node))
        if result.verdict != "accept":
            break
    assert result
    return result


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds())
def test_the_kernel_rules_agree_with_the_reference(world: World) -> None:
    rulesets = {n: compile_nft(view_of(world, node_name=n)) for n in ("node-1", "node-2")}
    for source, destination, protocol, port in packets(world):
        packet = Packet(saddr=source, daddr=destination, protocol=protocol, dport=port)
        found = through_the_nodes(world, rulesets, packet)
        asked = reference.Packet(source=source, destination=destination, protocol=protocol.upper(), port=port)
        wanted = reference.decide(world, asked)
        assert (found.verdict == "accept") == wanted.allowed, (packet, found, wanted)
        assert wanted.allowed or found.log.endswith(f"/{wanted.denied_by}")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), worlds())
def test_a_plan_leads_from_any_state_to_any_other(before: World, after: World) -> None:
    old, new = compile_nft(view_of(before)), compile_nft(view_of(after))
    assert apply(plan(old, new), old) == new
    assert apply(plan(None, new), old) == new
    assert not plan(new, new)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_objects_does_not_matter(world: World, random: Any) -> None:
    objects = list(world.objects())
    random.shuffle(objects)
    one, again = translate_policy(world), translate_policy(World.of(objects))
    assert msgspec.json.encode(one) == msgspec.json.encode(again)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_the_number_of_base_chains_is_constant(world: World) -> None:
    ruleset = compile_nft(view_of(world))
    assert sum(c.base is not None for c in ruleset.chains) == 10
