"""Names and addresses outside the cluster: what the cluster's DNS and the registry of the mesh make of them.

In: the World, a Question and both ends. Out: Ways, and the Lines of DNS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from tandem.base.problems import Origin
from tandem.cluster.nodes import own_prefixes
from tandem.compile.addresses import own_addresses
from tandem.model import core
from tandem.model.world import World
from tandem.reference import hosts, policy
from tandem.reference.mtls import in_mesh
from tandem.views.parties import Party
from tandem.views.ways import Line, Question, Way, known_names, way_to

SOMEWHERE: Final = "0.0.0.0"  # noqa: S104 - bound to nothing: an address of outside that no policy names
"""Stands for the address of a name that nobody has asked for yet."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What DNS says; `denied`: without it there is no way on."""

    lines: tuple[Line, ...] = ()
    denied: tuple[Line, ...] = ()


def ask_dns(world: World, question: Question, source: Party, target: Party) -> Answered:
    """Whether the client gets an answer for the name that it dials, and which."""
    meaning = target.meaning
    lines = [*_asked(world, question, source)]
    if meaning is None:
        # Whoever writes svc/NAME means the Service, and its clients have its name.
        by_name = target.service is not None and "svc/" in question.destination
        return Answered(lines=tuple(msgspec.structs.replace(line, warns=True) for line in lines if by_name))
    if any(line.effect == "goes elsewhere" for line in lines) and not (meaning.outside and meaning.alias is None):
        return Answered(lines=tuple(lines), denied=tuple(lines))
    if meaning.alias is not None:
        text = f"{'/'.join(meaning.alias.key)} is another name for {meaning.alias.spec.external_name}"
        lines.append(Line(layer="DNS", effect="answers", text=text, rule=meaning.alias.origin("spec.externalName")))
    if meaning.service is not None:
        text = f"{meaning.name} is Service {'/'.join(meaning.service.key)}"
        lines.append(Line(layer="DNS", effect="answers", text=text, rule=meaning.service.origin()))
    elif meaning.address:
        lines.append(Line(layer="DNS", effect="answers", text=f"{meaning.name} is {meaning.address}"))
    elif meaning.outside:
        why = f": it is no name of the cluster, {meaning.missing}" if meaning.missing else ""
        lines.append(Line(layer="DNS", effect="asks outside", text=f"for {meaning.outside}{why}"))
    else:
        lines.append(Line(layer="DNS", effect="has no such name", text=meaning.missing))
    denied = [line for line in lines if line.effect in {"denies", "has no such name"}]
    return Answered(lines=tuple(lines), denied=tuple(denied))


def _asked(world: World, question: Question, source: Party) -> Iterator[Line]:
    """What keeps a pod from asking at all."""
    pod = source.pod
    if pod is None:
        return
    set_by = pod.spec.dns_policy
    if set_by in {"Default", "None"} or (pod.spec.host_network and set_by == "ClusterFirst"):
        text = "the pod asks other servers than the cluster's, which know no Services"
        yield Line(layer="DNS", effect="goes elsewhere", text=text, rule=pod.origin("spec.dnsPolicy"))
        return
    for address in question.dns_addresses[:1]:
        packet = policy.Packet(
            source=source.facing(Party(label="", address=address)).address,
            source_pod=pod.key,
            destination=address,
            protocol="UDP",
            port=53,
        )
        decision = policy.decide(world, packet, dns_addresses=question.dns_addresses)
        for rule in decision.by if not decision.allowed else ():
            text = f"the pod may not ask {address}:53/UDP: allow that to kube-system, k8s-app=kube-dns"
            yield Line(layer="DNS", effect="denies", text=text, rule=rule)


def ways_outside(world: World, question: Question, source: Party, target: Party) -> tuple[Way, ...]:
    """To a name, at every address that it is known to have."""

    def ways(end: Party) -> list[Way]:
        return [way_to(world, question, source, one, share=None) for one in _addresses(question, source, end)]

    return _registered(world, question, source, target, ways)


def beyond(world: World, question: Question, source: Party, way: Way) -> Way:
    """A bare address outside: refused where nothing but the registry may be reached, and no entry can be meant."""
    by = unregistered(world, question, source, way.address, way.port)
    if by is None:
        return way
    line = Line(layer="outbound", effect="denies", text="no ServiceEntry that the pod sees has the address", rule=by)
    return msgspec.structs.replace(way, allowed=False, decided_by=way.decided_by or (by,), steps=(line, *way.steps))


def unregistered(world: World, question: Question, source: Party, address: str, port: int) -> Origin | None:
    """What refuses an address that the client's proxy does not know; None: nothing does, or no proxy is asked."""
    pod = source.pod
    if pod is None or not _captured(world, question, pod, address):
        return None
    by = hosts.refusal(world, pod, None, address)
    return None if by is None or hosts.known_at(world, address, port, pod.metadata.namespace) else by


def _captured(world: World, question: Question, pod: core.Pod, address: str) -> bool:
    """What a pod of the mesh opens, except to its own node's address among pods and to DNS."""
    node = world.get(core.Node, "", pod.spec.node_name)
    own = own_addresses(own_prefixes(node)).values() if node is not None else ()
    past = address in {*own, *question.dns_addresses}
    return question.protocol == "TCP" and in_mesh(pod, world)[0] and not past


def _end(target: Party, address: str, port: int) -> Party:
    """An endpoint of a host: an address, or again a name."""
    label = f"{target.label} ({address}:{port})"
    if hosts.is_address(address):
        return Party(label=label, address=address, port=port)
    return Party(label=label, domain=address.lower(), port=port)


def _registered(
    world: World, question: Question, source: Party, target: Party, ways: Callable[[Party], list[Way]]
) -> tuple[Way, ...]:
    """A domain name, which a ServiceEntry may have: then what is behind it is dialled, where the pod may go there."""
    pod = source.pod
    if pod is None or not _captured(world, question, pod, ""):
        return tuple(ways(target))
    host = hosts.host_of(world, target.domain, target.port, pod.metadata.namespace)
    by = hosts.refusal(world, pod, host, target.domain)
    ends = [target]
    text = "no ServiceEntry that the pod sees has the host"
    if host is not None and by is None:
        text = "the host is that of a ServiceEntry"
        ends = [_end(target, address, port) for address, port in host.ends]
    rule = by or (host.entry.origin() if host is not None else None)
    line = Line(layer="outbound", effect="denies" if by else "allows", text=text, rule=rule)
    found = [way for end in ends for way in ways(end)]
    return tuple(
        msgspec.structs.replace(
            way,
            allowed=way.allowed and by is None,
            decided_by=way.decided_by or ((by,) if by is not None else ()),
            steps=(line, *way.steps),
        )
        for way in found
    )


def _addresses(question: Question, source: Party, target: Party) -> list[Party]:
    """What a domain name is for a pod: each address that is known on its node."""
    if not target.domain:
        return [target]
    found = known_names(question, source).get(target.domain, ())
    if not found:
        label = f"{target.label} (no address is known yet; any outside)"
        return [Party(label=label, address=SOMEWHERE, port=target.port, domain=target.domain)]
    return [Party(label=target.label, address=address, port=target.port) for address in found]
