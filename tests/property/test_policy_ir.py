"""The policy IR says what the reference says, enforced and in preview: read by its docstrings, without a compiler."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from hypothesis import HealthCheck, given, settings

from property.worlds import NAMES, budget, worlds
from tandem.ir.policy import Anyone, Cidr, Domains, Group, Peer, PolicyIR, PolicySet, Rule, Side, Verdict
from tandem.model import core
from tandem.model.world import World
from tandem.reference import policy as reference
from tandem.translate.policy import translate_policy

OUTSIDE = ("203.0.113.7", "203.0.113.200", "2001:db8::1", "10.96.0.10")
PORTS = (("TCP", 80), ("TCP", 8080), ("TCP", 53), ("UDP", 53), ("SCTP", 80), ("ICMP", 0))


class Reader:
    """Judges packets by a PolicyIR. `preview`: as if the staged policies were in force."""

    def __init__(self, ir: PolicyIR, *, preview: bool) -> None:
        self._ir, self._preview = ir, preview

    def denial(self, uid: str, side: Side, peer: str, protocol: str, port: int) -> Rule | PolicySet | None:
        """What denies it; None: nothing does."""
        found = (self._ir.ingress if side is Side.INGRESS else self._ir.egress).get(uid)
        if found is None:
            return None
        judge = self._ir.sets[found]
        assert judge.side is side
        if self._preview and judge.preview is not None:
            judge = self._ir.sets[judge.preview]
        first = self._first(judge.admin, peer, protocol, port)
        if first is None or first.verdict is Verdict.PASS:
            if judge.isolated_by:
                return None if self._first(judge.rules, peer, protocol, port) else judge
            first = self._first(judge.baseline, peer, protocol, port)
        return first if first is not None and first.verdict is Verdict.DENY else None

    def _first(self, rules: tuple[Rule, ...], peer: str, protocol: str, port: int) -> Rule | None:
        for rule in rules:
            ports = not rule.ports or any(p.protocol == protocol and p.first <= port <= p.last for p in rule.ports)
            if ports and any(self._is(p, peer) for p in rule.peers):
                return rule
        return None

    def _is(self, peer: Peer, text: str) -> bool:
        match peer:
            case Anyone():
                return True
            case Group(id=group):
                return text in self._ir.groups[group].addresses
            case Cidr(prefix=prefix, excepts=excepts):
                address = ip_address(text)
                return address in ip_network(prefix) and not any(address in ip_network(e) for e in excepts)
            case Domains(patterns=patterns):
                return any(text in addresses and _has(n, p) for n, addresses in NAMES.items() for p in patterns)


def _has(name: str, pattern: str) -> bool:
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern


def pairs(pods: dict[str, core.Pod]) -> Iterator[tuple[str, str]]:
    for source in (*pods, *OUTSIDE):
        for destination in (*pods, *OUTSIDE):
            ends = pods.get(source), pods.get(destination)
            if (":" in source) == (":" in destination) and any(ends) and ends[0] is not ends[1]:
                yield source, destination


@settings(max_examples=budget(150), suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_the_ir_agrees_with_the_reference(world: World) -> None:
    ir, _ = translate_policy(world)
    pods = {a: p for p in world.sorted(core.Pod) if not p.finished for a in p.addresses}
    evaluator = reference.Evaluator(world, names=NAMES)
    for source, destination in pairs(pods):
        for protocol, port in PORTS:
            asked = reference.Packet(source=source, destination=destination, protocol=protocol, port=port)
            wanted = evaluator.decide(asked)
            for decision, preview in ((wanted, False), (wanted.staged or wanted, True)):
                reader = Reader(ir, preview=preview)
                denials = {
                    side: reader.denial(pods[own].metadata.uid, side, peer, protocol, port)
                    for side, own, peer in ((Side.EGRESS, source, destination), (Side.INGRESS, destination, source))
                    if own in pods
                }
                by = next(((side, d) for side, d in denials.items() if d is not None), None)
                assert (by is None) == decision.allowed, (asked, preview, by, decision)
                if by is not None:
                    side, denial = by
                    assert (side.value, denial.rejects) == (decision.denied_by, decision.rejects)
