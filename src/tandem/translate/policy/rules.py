"""One ingress or egress rule of a NetworkPolicy -> IR rules, address groups and Problems. Pure.

An empty `from`/`to` is everyone, empty `ports` is every packet. What cannot be evaluated allows nobody, and is
reported. A named port is a number of the *destination* pod: of the subject for ingress; for egress one rule for each
number that the name has on the peers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

import msgspec

from tandem.base.ids import GroupId
from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.policy import AddressGroup, Anyone, Cidr, Group, Peer, PortMatch, Rule
from tandem.model.policy import EgressRule, IngressRule, IpBlock, PolicyPeer, PolicyPort
from tandem.model.selectors import LabelSelector
from tandem.translate.policy.select import PeerSelector, Population, address_group, group_id, peer_selector

NamedPorts = tuple[tuple[str, str, int], ...]
_EVERY_POD = PeerSelector(namespaces=LabelSelector())


class Translator:
    """Translates rules and collects, once for all policies, the groups they refer to and what is wrong with them."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._groups: dict[GroupId, AddressGroup] = {}
        self._problems: dict[tuple[Origin, str, str], Problem] = {}

    @property
    def groups(self) -> dict[GroupId, AddressGroup]:
        """Every group referred to, by id, sorted."""
        return {k: self._groups[k] for k in sorted(self._groups)}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was wrong, each thing once."""
        return tuple(self._problems[k] for k in sorted(self._problems))

    def report(self, at: Origin, code: str, text: str, *, severity: Severity = Severity.WARNING) -> None:
        """Add a Problem; the same one is kept once."""
        self._problems[at, code, text] = Problem(at=at, code=code, text=text, severity=severity)

    def ingress(self, rule: IngressRule, origin: Origin, *, namespace: str, subject_ports: NamedPorts) -> list[Rule]:
        """A rule of `spec.ingress` for a subject with these named ports."""
        peers = self._peers(rule.peers, origin, namespace=namespace, word="from")
        ports = [m for p in rule.ports for m in self._ingress_port(p, origin, subject_ports)]
        if not peers or (rule.ports and not ports):
            return []
        return [Rule(peers=peers, ports=_ordered(ports), origin=origin)]

    def egress(self, rule: EgressRule, origin: Origin, *, namespace: str) -> list[Rule]:
        """A rule of `spec.egress`."""
        peers = self._peers(rule.peers, origin, namespace=namespace, word="to")
        numbered = [m for p in rule.ports if not isinstance(p.port, str) for m in self._number(p, origin)]
        found = [Rule(peers=peers, ports=_ordered(numbered), origin=origin)] if numbered or not rule.ports else []
        for port in rule.ports:
            if isinstance(port.port, str):
                found += self._egress_named(rule, port, origin, namespace=namespace)
        return [r for r in found if r.peers]

    def _peers(self, peers: tuple[PolicyPeer, ...], at: Origin, *, namespace: str, word: str) -> tuple[Peer, ...]:
        if not peers:
            return (Anyone(),)
        found: list[Peer] = []
        for i, peer in enumerate(peers):
            origin = msgspec.structs.replace(at, path=f"{at.path}.{word}[{i}]")
            if peer.ip_block is not None:
                found += self._block(peer.ip_block, origin)
            elif peer.pod_selector is None and peer.namespace_selector is None:
                text = (
                    f"{origin.path} names no podSelector, namespaceSelector or ipBlock: the Kubernetes API knows no "
                    f"such peer, and it matches nobody; to match everyone, leave `{word}` out"
                )
                self.report(origin, "EmptyPeer", text, severity=Severity.ERROR)
            else:
                found.append(self._group(peer_selector(peer, namespace)))
        return tuple(found)

    def _group(self, selector: PeerSelector) -> Group:
        name = group_id(selector)
        if name not in self._groups:
            self._groups[name] = address_group(selector, self._population.select(selector))
        return Group(id=name)

    def _block(self, block: IpBlock, origin: Origin) -> list[Peer]:
        try:
            prefix = ipaddress.ip_network(block.cidr, strict=False)
            excepts = [ipaddress.ip_network(e, strict=False) for e in block.excepts]
        except ValueError as err:
            text = f"{origin.path}.ipBlock: {err}; the peer matches nobody until it is a prefix such as 10.0.0.0/8"
            self.report(origin, "InvalidCidr", text, severity=Severity.ERROR)
            return []
        ordered = sorted(set(excepts), key=lambda n: (n.version, n.network_address.packed, n.prefixlen))
        return [Cidr(prefix=str(prefix), excepts=tuple(str(n) for n in ordered))]

    def _ingress_port(self, port: PolicyPort, origin: Origin, subject_ports: NamedPorts) -> Iterable[PortMatch]:
        if not isinstance(port.port, str):
            return self._number(port, origin)
        if self._range_on_name(port, origin):
            return []
        return [
            PortMatch(protocol=port.protocol, first=number, last=number)
            for name, protocol, number in subject_ports
            if (name, protocol) == (port.port, port.protocol)
        ]

    def _number(self, port: PolicyPort, origin: Origin) -> list[PortMatch]:
        if not isinstance(port.port, int):
            return [PortMatch(protocol=port.protocol)]
        last = port.port if port.end_port is None else port.end_port
        if last < port.port:
            text = f"{origin.path}.ports: endPort {last} is below port {port.port}; the entry matches nothing"
            self.report(origin, "InvalidPortRange", text, severity=Severity.ERROR)
            return []
        return [PortMatch(protocol=port.protocol, first=port.port, last=last)]

    def _range_on_name(self, port: PolicyPort, origin: Origin) -> bool:
        if port.end_port is None:
            return False
        text = f"{origin.path}.ports: endPort needs a number as port, not the name {port.port!r}; it matches nothing"
        self.report(origin, "InvalidPortRange", text, severity=Severity.ERROR)
        return True

    def _egress_named(self, rule: EgressRule, port: PolicyPort, origin: Origin, *, namespace: str) -> Iterator[Rule]:
        """Pods only: an ipBlock has no pods, and so no names of ports (NetworkPolicy API, `ports[].port`)."""
        if self._range_on_name(port, origin):
            return
        selectors = [
            peer_selector(p, namespace)
            for p in rule.peers
            if p.ip_block is None and (p.pod_selector is not None or p.namespace_selector is not None)
        ]
        matched = False
        for selector in selectors if rule.peers else [_EVERY_POD]:
            numbers = {
                number
                for target in self._population.select(selector)
                for name, protocol, number in target.ports
                if (name, protocol) == (port.port, port.protocol)
            }
            for number in sorted(numbers):
                matched = True
                narrowed = msgspec.structs.replace(selector, port=(str(port.port), port.protocol, number))
                match = PortMatch(protocol=port.protocol, first=number, last=number)
                yield Rule(peers=(self._group(narrowed),), ports=(match,), origin=origin)
        if not matched:
            self.report(origin, "NamedPortNotFound", no_such_port(origin, port, "destination"))


def no_such_port(origin: Origin, port: PolicyPort, whose: str) -> str:
    """The text of a NamedPortNotFound Problem."""
    return (
        f"{origin.path}.ports names port {port.port!r} ({port.protocol}), but no {whose} pod has a container port of "
        "that name: the entry matches nothing"
    )


def _ordered(ports: Iterable[PortMatch]) -> tuple[PortMatch, ...]:
    return tuple(sorted(set(ports)))
