"""The compiled nftables rules agree with the reference evaluator, for any World and any packet.

TANDEM_WORLDS=5000 draws as many Worlds for the oracle in place of the usual number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nfttrace import Packet, Trace, trace
from nodeviews import DNS, ifname_of, routes, view_of
from property.worlds import NAMES, NODES, budget, worlds
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.origins import origins
from tandem.drivers.nft.plan import apply, plan
from tandem.ir.domains import asked_for
from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.model.policy import NetworkPolicy
from tandem.model.world import World
from tandem.reference import policy as reference
from tandem.reference.ends import DNS as DNS_ADDRESSES
from tandem.reference.ends import end_of
from tandem.reference.tiers import TierPolicy, Traffic, policies_of, rulings, selects
from tandem.state import nft
from tandem.translate.policy import translate_policy

OUTSIDE = ("203.0.113.7", "203.0.113.200", "2001:db8::1")
PORTS = (("tcp", 80), ("tcp", 8080), ("tcp", 53), ("udp", 53), ("sctp", 80), ("icmp", 0))
Ask = tuple[str, str, str, int]


def packets(world: World) -> list[Ask]:
    """(source, destination, protocol, port) between every two ends, one of them a pod."""
    pods = _pods(world)
    pairs = [(s, d) for s in pods for d in (*pods, *OUTSIDE, DNS) if s != d] + [(s, d) for s in OUTSIDE for d in pods]
    return [(s, d, *port) for s, d in pairs if (":" in s) == (":" in d) for port in PORTS]


def packets_of_nodes(world: World) -> list[Ask]:
    """The same between pods and nodes."""
    pods = [a for a in _pods(world) if ":" not in a]
    pairs = [pair for n in NODES.values() for p in pods for pair in ((n, p), (p, n))]
    return [(s, d, *port) for s, d in pairs for port in PORTS]


def _pods(world: World) -> list[str]:
    return [a for p in world.sorted(core.Pod) if not p.finished for a in p.addresses]


def through_the_nodes(world: World, rulesets: dict[str, nft.Ruleset], packet: Packet) -> list[Trace]:
    """The packet on the source's node, and then on the destination's, as far as it gets."""
    where = {a: p for p in world.sorted(core.Pod) if not p.finished for a in p.addresses}
    source, destination = where.get(packet.saddr), where.get(packet.daddr)
    results: list[Trace] = []
    for end in (source, destination):
        if end is None or (end is destination and source and source.spec.node_name == end.spec.node_name):
            continue
        node = end.spec.node_name
        link = ifname_of(end) if end is source else "" if packet.saddr == NODES[node] else "eth0"
        arriving = msgspec.structs.replace(packet, iifname=link)
        results.append(trace(rulesets[node], arriving, route=routes(world, node_name=node)))
        if results[-1].verdict != "accept":
            break
    assert results
    return results


class Judges:
    """Who may say no to a packet: of adjacent denials of a tier any, which all have the packet."""

    def __init__(self, world: World, asked: reference.Packet) -> None:
        self._world = world
        self._asked = asked
        self._ends = tuple(end_of(world, None, address, DNS_ADDRESSES) for address in (asked.source, asked.destination))

    def deniers(self, side: str, *, staged: bool = False) -> set[Origin]:
        """Every rule that denies the packet if it is asked alone."""
        subject, peer = self._ends[::-1] if side == "ingress" else self._ends
        traffic = Traffic(
            side=side,
            subject=subject,
            peer=peer,
            protocol=self._asked.protocol,
            port=self._asked.port,
            names=NAMES,
        )
        every = (*policies_of(self._world, "Admin"), *policies_of(self._world, "Baseline"))
        chosen = [p for p in every if selects(self._world, p, subject) and (staged or not is_staged(p))]
        return {origin for policy in chosen for origin in self._alone(policy, traffic)}

    def _alone(self, policy: TierPolicy, traffic: Traffic) -> Iterator[Origin]:
        rules = getattr(policy.spec, traffic.side)
        for i in range(len(rules)):
            spec = msgspec.structs.replace(policy.spec, **{traffic.side: rules[i : i + 1]})
            one = msgspec.structs.replace(policy, spec=spec)
            for path, effect, _ in rulings(self._world, one, traffic):
                if effect == "denies":
                    yield msgspec.structs.replace(policy.origin(), path=path.replace("[0]", f"[{i}]", 1))


def is_staged(policy: NetworkPolicy | TierPolicy) -> bool:
    return policy.metadata.annotations.get("tandem.io/staged") == "true"


def answers(world: World, origin: Origin) -> bool:
    """Whether the policy of a rule asks for an answer."""
    policy = world.get(BY_KIND[origin.kind].cls, origin.namespace, origin.name)
    return policy is not None and policy.metadata.annotations.get("tandem.io/deny") == "reject"


def check(world: World, asked: reference.Packet, found: list[Trace], known: Mapping[str, tuple[Origin, ...]]) -> None:
    wanted = reference.decide(world, asked, names=NAMES)
    last = found[-1]
    case = (asked, found, wanted)
    assert (last.verdict == "accept") == wanted.allowed, case
    if wanted.allowed:
        told = [prefix for t in found for prefix in t.logged if names.is_staged(prefix)]
        would = wanted.staged is not None and not wanted.staged.allowed
        assert bool(told) == would, case
        if wanted.staged is not None and would:
            assert wanted.staged.denied_by in {prefix.rpartition("/")[2] for prefix in told}, case
        return
    assert last.log.endswith(f"/{wanted.denied_by}"), case
    blamed = known[last.log]
    deniers = Judges(world, asked).deniers(wanted.denied_by)
    if wanted.by[0].kind == "NetworkPolicy":
        assert set(blamed) == set(wanted.by), case
        assert (last.verdict == "reject") == wanted.rejects, case
    else:
        assert len(blamed) == 1, case
        assert blamed[0] in deniers, (case, deniers)
        assert (last.verdict == "reject") == answers(world, blamed[0]), case


@settings(max_examples=budget(200), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds())
def test_the_kernel_rules_agree_with_the_reference(world: World) -> None:
    views = {n: view_of(world, node_name=n, names=NAMES) for n in NODES}
    rulesets = {n: compile_nft(view) for n, view in views.items()}
    known = {prefix: rules for view in views.values() for prefix, rules in origins(view).items()}
    for source, destination, protocol, port in (*packets(world), *packets_of_nodes(world)):
        packet = Packet(saddr=source, daddr=destination, protocol=protocol, dport=port)
        asked = reference.Packet(source=source, destination=destination, protocol=protocol.upper(), port=port)
        check(world, asked, through_the_nodes(world, rulesets, packet), known)


SORTS = frozenset(
    {
        *(f"{tier} {effect}" for tier in ("Admin", "Baseline") for effect in ("accepts", "denies", "passes")),
        *("NetworkPolicy allows", "NetworkPolicy isolates", " exempt", " default allow"),
        *("staged denial", "answered denial", "silent denial", "everything is denied", "nothing is accepted"),
    }
)


def sorts(decision: reference.Decision) -> Iterator[str]:
    """What happened on the way of a packet, in words of SORTS."""
    yield from (f"{step.tier} {step.effect}" for step in decision.steps if not step.staged)
    if not decision.allowed:
        yield "answered denial" if decision.rejects else "silent denial"
    if decision.allowed and decision.staged is not None and not decision.staged.allowed:
        yield "staged denial"
    if any(step.reason.endswith("it accepts nothing") for step in decision.steps):
        yield "nothing is accepted"
    if any(step.reason.endswith("it denies everything") for step in decision.steps):
        yield "everything is denied"


def test_every_sort_of_decision_occurs_in_the_worlds() -> None:
    seen: set[str] = set()

    @settings(max_examples=500, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(worlds())
    def look(world: World) -> None:
        evaluator = reference.Evaluator(world, names=NAMES)
        for source, destination, protocol, port in (*packets(world), *packets_of_nodes(world))[::5]:
            asked = reference.Packet(source=source, destination=destination, protocol=protocol.upper(), port=port)
            seen.update(sorts(evaluator.decide(asked)))

    look()
    assert seen >= SORTS


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), worlds())
def test_a_plan_leads_from_any_state_to_any_other(before: World, after: World) -> None:
    old, new = compile_nft(view_of(before)), compile_nft(view_of(after))
    assert apply(plan(old, new), old) == new
    assert apply(plan(None, new), old) == new
    assert not plan(new, new)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_objects_does_not_matter(world: World, random: Any) -> None:
    objects = list(world.objects())
    random.shuffle(objects)
    one, again = translate_policy(world), translate_policy(World.of(objects))
    assert msgspec.json.encode(one) == msgspec.json.encode(again)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_the_number_of_base_chains_is_constant(world: World) -> None:
    view = view_of(world)
    # One more follows the questions of pods whose policies, in force or staged, are about names.
    used = {pod.pod.egress for pod in view.pods} - {None}
    sets = [view.sets[i] for own in used if own for i in (own, view.sets[own].preview) if i is not None]
    wanted = 10 if any(map(asked_for, sets)) else 9
    assert sum(c.base is not None for c in compile_nft(view).chains) == wanted
