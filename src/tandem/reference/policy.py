"""May this packet pass? A slow and obvious evaluator of network policy, written from the Kubernetes documentation.

Comes in: a World and a Packet. Goes out: a Decision with every policy and rule that was considered, in the order of the
network-policy API: tier Admin, NetworkPolicy, tier Baseline, accept. It is the oracle of the property tests and the
engine of `tandem explain` and `tandem verify`; it shares no code with translation or compilation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.meta import Object
from tandem.model.policy import EgressRule, IngressRule, NetworkPolicy, PolicyPeer, PolicyPort
from tandem.model.selectors import matches, unknown_operator
from tandem.model.world import World
from tandem.reference.ends import DNS, End, Key, end_of, is_inside, is_prefix, is_selected, lives_on
from tandem.reference.tiers import TierPolicy, Traffic, policies_of, rulings, selects

_STAGED: Final = ("tandem.io/staged", "true")
_REJECT: Final = ("tandem.io/deny", "reject")

NO_PEER: Final = "is none of its peers"
"""Ends the reason of a rule that may be about anything but the other end."""


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """The first packet of a connection, after Service translation.

    Each end is a pod (namespace, name) or an address; with a pod, its first address is meant unless one is given.
    `protocol` is TCP, UDP, SCTP or ICMP; `port` is the destination port. `arrived`: it comes over another node, where
    the source's side was judged, as what it was there: the destination's alone is asked.
    """

    source: str = ""
    destination: str = ""
    source_pod: Key | None = None
    destination_pod: Key | None = None
    protocol: str = "TCP"
    port: int = 0
    arrived: bool = False


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was considered, in order. JSON-ready; `kind`, `namespace`, `name`, `path`, `source` as in Origin.

    `side` is egress (of the source) or ingress (of the destination); `effect` is `accepts`, `denies`, `passes` (of a
    tier's rule), `isolates`, `allows` (of NetworkPolicy), `no match`, `default allow`, `default deny` or `exempt`.
    """

    side: str
    effect: str
    kind: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    source: str = ""
    reason: str = ""
    tier: str = ""
    """Admin, NetworkPolicy or Baseline; empty: the end of the list."""
    staged: bool = False
    """The policy is only watched: nothing that it says is enforced."""

    @property
    def origin(self) -> Origin:
        """The manifest that the step is about."""
        return Origin(kind=self.kind, namespace=self.namespace, name=self.name, path=self.path, source=self.source)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict and how it came about; `denied_by` is the side that said no first (egress before ingress)."""

    allowed: bool
    steps: tuple[Step, ...]
    denied_by: str = ""
    by: tuple[Origin, ...] = ()
    """What denied it: a rule of a tier, or the policies that isolate."""
    rejects: bool = False
    """The denial is answered, because all that deny it ask for that."""
    staged: Decision | None = None
    """What it would be with the staged policies in force; None: the same."""


class _Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one side says."""

    allowed: bool
    steps: tuple[Step, ...]
    by: tuple[Origin, ...] = ()
    rejects: bool = False


def decide(
    world: World,
    packet: Packet,
    *,
    dns_addresses: tuple[str, ...] = DNS,
    names: Mapping[str, tuple[str, ...]] | None = None,
) -> Decision:
    """Both ends must allow it: egress policies of the source pod and ingress policies of the destination pod.

    `names` has the addresses that domain names are known to have.
    """
    return Evaluator(world, dns_addresses=dns_addresses, names=names).decide(packet)


class Evaluator:
    """The same for many packets of one World: who is a subject of which policy is found once."""

    def __init__(
        self,
        world: World,
        *,
        dns_addresses: tuple[str, ...] = DNS,
        names: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._world = world
        self._dns = dns_addresses
        self._names = names or {}
        self._tiers = {tier: policies_of(world, tier) for tier in ("Admin", "Baseline")}
        self._policies: dict[str, list[NetworkPolicy]] = {}
        for policy in world.sorted(NetworkPolicy):
            self._policies.setdefault(policy.metadata.namespace, []).append(policy)
        everyone: list[Object] = [*world.all(NetworkPolicy).values(), *self._tiers["Admin"], *self._tiers["Baseline"]]
        self._any_staged = any(_is(p, _STAGED) for p in everyone)
        self._in_tier: dict[tuple[str, Key], tuple[TierPolicy, ...]] = {}
        self._isolated: dict[tuple[str, Key], tuple[NetworkPolicy, ...]] = {}

    def decide(self, packet: Packet) -> Decision:
        """The verdict in force, with the one that staged policies would change it to."""
        decision = self._decide(packet, staged=False)
        if not self._any_staged:
            return decision
        would = self._decide(packet, staged=True)
        differs = (would.allowed, would.by) != (decision.allowed, decision.by)
        return msgspec.structs.replace(decision, staged=would) if differs else decision

    def judging(self, packet: Packet) -> tuple[NetworkPolicy | TierPolicy, ...]:
        """Every policy that selects the packet's source for egress or its destination for ingress, staged or not."""
        source = end_of(self._world, packet.source_pod, packet.source, self._dns)
        destination = end_of(self._world, packet.destination_pod, packet.destination, self._dns)
        found: list[NetworkPolicy | TierPolicy] = []
        for side, end in (("egress", source), ("ingress", destination)):
            if end.pod is not None and not end.pod.finished:
                found += self._of_tier("Admin", end)
                found += self._isolating(side, end)
                found += self._of_tier("Baseline", end)
        return tuple(found)

    def _decide(self, packet: Packet, *, staged: bool) -> Decision:
        world = self._world
        source = end_of(world, packet.source_pod, packet.source, self._dns)
        destination = end_of(world, packet.destination_pod, packet.destination, self._dns)
        if source.pod is not None and destination.pod is not None and source.pod.key == destination.pod.key:
            note = Step(side="egress", effect="exempt", reason="a pod may always reach itself")
            return Decision(allowed=True, steps=(note,))
        leaving = _traffic(packet, "egress", source, destination, self._names)
        egress = _Verdict(allowed=True, steps=()) if packet.arrived else self._judge(leaving, staged=staged)
        if destination.pod is not None and source.is_node and lives_on(world, destination.pod, source):
            note = Step(side="ingress", effect="exempt", reason="a node may always reach its own pods (kubelet probes)")
            return Decision(allowed=True, steps=(*egress.steps, note))
        ingress = self._judge(_traffic(packet, "ingress", destination, source, self._names), staged=staged)
        denied_by = "" if egress.allowed and ingress.allowed else "ingress" if egress.allowed else "egress"
        said = ingress if denied_by == "ingress" else egress
        return Decision(
            allowed=not denied_by,
            steps=(*egress.steps, *ingress.steps),
            denied_by=denied_by,
            by=said.by,
            rejects=said.rejects,
        )

    def _judge(self, traffic: Traffic, *, staged: bool) -> _Verdict:
        """One side, in the order of the tiers; a host-network pod and what is no pod are judged by nobody."""
        subject = traffic.subject
        if subject.pod is None or subject.pod.finished:
            note = Step(side=traffic.side, effect="default allow", reason=f"{subject.address or 'it'} is no pod here")
            return _Verdict(allowed=True, steps=(note,))
        steps: list[Step] = []
        verdict = self._tier("Admin", traffic, steps, staged=staged)
        if verdict is None:
            verdict = self._network_policies(traffic, steps, staged=staged)
        if verdict is None:
            verdict = self._tier("Baseline", traffic, steps, staged=staged)
        if verdict is None:
            why = f"no policy isolates the pod for {traffic.side}"
            verdict = _Verdict(allowed=True, steps=(Step(side=traffic.side, effect="default allow", reason=why),))
        return msgspec.structs.replace(verdict, steps=(*steps, *verdict.steps))

    def _tier(self, tier: str, traffic: Traffic, steps: list[Step], *, staged: bool) -> _Verdict | None:
        """The first rule that matches decides; None: it passes, or nothing matches."""
        for policy in self._of_tier(tier, traffic.subject):
            watched = _is(policy, _STAGED) and not staged
            for path, effect, reason in rulings(self._world, policy, traffic):
                at = policy.origin(path.partition(" ")[0])
                origin = msgspec.structs.replace(at, path=path)
                steps.append(_step(origin, traffic.side, effect, reason, tier=tier, staged=watched))
                if watched or effect == "no match":
                    continue
                if effect == "passes":
                    return None
                denied = effect == "denies"
                by = (origin,) if denied else ()
                return _Verdict(allowed=not denied, steps=(), by=by, rejects=denied and _is(policy, _REJECT))
        return None

    def _of_tier(self, tier: str, subject: End) -> tuple[TierPolicy, ...]:
        assert subject.pod is not None  # noqa: S101 - the caller looked
        at = (tier, subject.pod.key)
        if at not in self._in_tier:
            self._in_tier[at] = tuple(p for p in self._tiers[tier] if selects(self._world, p, subject))
        return self._in_tier[at]

    def _network_policies(self, traffic: Traffic, steps: list[Step], *, staged: bool) -> _Verdict | None:
        """A pod that no policy selects is open; a selected one gets what some rule allows, and nothing else."""
        side, isolating, allowed = traffic.side, list[NetworkPolicy](), False
        for policy in self._isolating(side, traffic.subject):
            watched = _is(policy, _STAGED) and not staged
            origin = policy.origin(f"spec.{side}")
            steps.append(_step(origin, side, "isolates", "", tier="NetworkPolicy", staged=watched))
            if not watched:
                isolating.append(policy)
            for path, holds, reason in _rules(self._world, policy, traffic):
                allowed = allowed or (holds and not watched)
                effect = "allows" if holds else "no match"
                steps.append(_step(policy.origin(path), side, effect, reason, tier="NetworkPolicy", staged=watched))
        if not isolating:
            return None
        if allowed:
            return _Verdict(allowed=True, steps=())
        note = Step(side=side, effect="default deny", reason="isolated, and no rule allows it", tier="NetworkPolicy")
        by = tuple(p.origin(f"spec.{side}") for p in isolating)
        return _Verdict(allowed=False, steps=(note,), by=by, rejects=all(_is(p, _REJECT) for p in isolating))

    def _isolating(self, side: str, subject: End) -> tuple[NetworkPolicy, ...]:
        assert subject.pod is not None  # noqa: S101 - the caller looked
        at = (side, subject.pod.key)
        if at not in self._isolated:
            here = self._policies.get(subject.namespace, ())
            self._isolated[at] = tuple(p for p in here if _selects(p, subject.pod, side))
        return self._isolated[at]


def _traffic(packet: Packet, side: str, subject: End, peer: End, names: Mapping[str, tuple[str, ...]]) -> Traffic:
    return Traffic(side=side, subject=subject, peer=peer, protocol=packet.protocol, port=packet.port, names=names)


def _is(policy: Object, annotation: tuple[str, str]) -> bool:
    """Any other value of the annotation means nothing."""
    name, value = annotation
    return policy.metadata.annotations.get(name) == value


def _step(origin: Origin, side: str, effect: str, reason: str, *, tier: str, staged: bool) -> Step:
    return Step(
        side=side,
        effect=effect,
        kind=origin.kind,
        namespace=origin.namespace,
        name=origin.name,
        path=origin.path,
        source=origin.source,
        reason=reason,
        tier=tier,
        staged=staged,
    )


def _selects(policy: NetworkPolicy, pod: core.Pod, side: str) -> bool:
    types = set(policy.spec.policy_types)
    if not types:  # "Ingress always, Egress if the policy has any egress rules"
        types = {"Ingress"} | ({"Egress"} if policy.spec.egress else set())
    if types - {"Ingress", "Egress"}:  # not what the API allows: it isolates in every way
        types = {"Ingress", "Egress"}
    chosen = policy.spec.pod_selector
    return (
        side.capitalize() in types
        and policy.metadata.namespace == pod.metadata.namespace
        and (bool(unknown_operator(chosen)) or matches(chosen, pod.metadata.labels))
    )


def _rules(world: World, policy: NetworkPolicy, traffic: Traffic) -> Iterator[tuple[str, bool, str]]:
    side, peer = traffic.side, traffic.peer
    if unknown_operator(policy.spec.pod_selector):  # whom it may not have meant it opens nothing for
        return
    rules: tuple[IngressRule | EgressRule, ...] = policy.spec.ingress if side == "ingress" else policy.spec.egress
    for i, rule in enumerate(rules):
        path = f"spec.{side}[{i}]"
        by_address = not rule.peers or any(_in_block(p, peer.address) for p in rule.peers)
        by_label = not rule.peers or any(_is_chosen(world, p, policy, peer) for p in rule.peers)
        if not by_address and not by_label:
            yield path, False, f"{peer.address} {NO_PEER}"
        elif not rule.ports:
            yield path, True, ""
        else:
            # A port's name is a pod's: through an ipBlock, only numbers match (egress).
            named = side == "ingress" or by_label
            holds = any(_port_matches(p, traffic, named=named) for p in rule.ports)
            yield path, holds, "" if holds else _not_among(traffic)


def _in_block(peer: PolicyPeer, address: str) -> bool:
    """An ipBlock stands alone in its peer (API, NetworkPolicyPeer); what cannot be read matches nobody."""
    block = peer.ip_block
    if block is None or (peer.pod_selector, peer.namespace_selector) != (None, None):
        return False
    if not all(is_prefix(e) for e in block.excepts):
        return False
    return is_inside(address, block.cidr) and not any(is_inside(address, e) for e in block.excepts)


def _is_chosen(world: World, peer: PolicyPeer, policy: NetworkPolicy, end: End) -> bool:
    given = [s for s in (peer.pod_selector, peer.namespace_selector) if s is not None]
    if peer.ip_block is not None or not given or any(unknown_operator(s) for s in given):
        return False
    own = policy.metadata.namespace
    return is_selected(world, end, namespaces=peer.namespace_selector, pods=peer.pod_selector, own=own)


def _not_among(traffic: Traffic) -> str:
    if traffic.protocol == "ICMP":
        return "it has ports, and ICMP has none: only a rule without ports allows it"
    return f"{traffic.protocol} {traffic.port} is none of its ports"


def _port_matches(port: PolicyPort, traffic: Traffic, *, named: bool) -> bool:
    if port.protocol != traffic.protocol:
        return False
    if port.port is None:
        return port.end_port is None
    if isinstance(port.port, str):
        numbers = traffic.destination.ports.get((port.port, port.protocol), ())
        return named and port.end_port is None and traffic.port in numbers
    last = port.port if port.end_port is None else port.end_port
    return 1 <= port.port <= traffic.port <= last <= 65535
