"""Servers with what is attached to them -> what judges a pod at its ports (docs/design/0049). Pure.

A Server denies whoever is not authorized: at all of its port, or, where routes are attached, by the one route that a
request is of, and then also what no route is about. So it holds beside Istio's policies: both must let a request pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tandem.base.problems import Problem
from tandem.ir.authz import AuthzPolicy
from tandem.ir.limits import RateLimit
from tandem.ir.served import Change, Served
from tandem.model.core import Pod
from tandem.model.linkerd import Server
from tandem.model.selectors import matches
from tandem.model.world import World
from tandem.translate.mesh.linkerd.clients import Authentications
from tandem.translate.mesh.linkerd.defaults import ANNOTATION, AUDIT, Default
from tandem.translate.mesh.linkerd.denials import closed_policy, default_policy, identity_policy, server_policies
from tandem.translate.mesh.linkerd.probes import probed_paths
from tandem.translate.mesh.linkerd.read import BYTES, HTTP, ReadServer, ServerReader, default_of
from tandem.translate.mesh.linkerd.required import REQUIRING, Required, required_of


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What Servers say of a pod."""

    policies: tuple[AuthzPolicy, ...] = ()
    http: frozenset[int] = frozenset()
    """Ports at which requests are seen, whatever Services say."""
    opaque: frozenset[int] = frozenset()
    """Ports at which they are not."""
    limits: tuple[RateLimit, ...] = ()
    served: tuple[Served, ...] = ()
    problems: tuple[Problem, ...] = ()


class ServerIndex:
    """Servers by namespace, the oldest first; `problems` is what is wrong with them and what they are made of."""

    def __init__(self, world: World, trust_domain: str) -> None:
        authentications = Authentications(world, trust_domain)
        reader = ServerReader(world, authentications, trust_domain)
        self._servers: dict[str, tuple[ReadServer, ...]] = {}
        for server in world.oldest_first(Server):
            namespace = server.metadata.namespace
            self._servers[namespace] = (*self._servers.get(namespace, ()), *reader.read(server))
        self._defaults = dict(reader.defaults())
        self._required = dict(reader.required())
        self.problems = (*authentications.problems, *reader.problems)

    def differing(self, other: ServerIndex) -> set[str]:
        """The namespaces of which the two say something else."""
        pairs: tuple[tuple[Mapping[str, object], Mapping[str, object]], ...] = (
            (self._servers, other._servers),
            (self._defaults, other._defaults),
            (self._required, other._required),
        )
        return {n for mine, others in pairs for n in mine.keys() | others.keys() if mine.get(n) != others.get(n)}

    def judged(self, pod: Pod) -> Judged:
        """What judges a pod. Of two Servers at one port the older one counts."""
        taken: dict[int, ReadServer] = {}
        problems: list[Problem] = []
        probed = probed_paths(pod)
        policies: list[AuthzPolicy] = []
        for server in self._servers.get(pod.metadata.namespace, ()):
            if not matches(server.selector, pod.metadata.labels):
                continue
            if server.port is None:
                policies.append(closed_policy(server))
                continue
            every = server.ports(pod)
            lost = [port for port in every if port in taken]
            if lost:
                text = f"{taken[lost[0]].origin} is older and selects port {lost[0]} of {'/'.join(pod.key)} too"
                at = msgspec.structs.replace(server.origin, path="spec.podSelector")
                problems.append(Problem(at=at, code="Conflicted", text=f"{text}: this one does not count there"))
            ports = tuple(port for port in every if port not in taken)
            taken |= dict.fromkeys(ports, server)
            policies += server_policies(server, ports, probed) if ports else ()
        default, mistake = self._default(pod)
        if default is not None:
            policies.append(default_policy(default, tuple(sorted(taken)), probed))
        required, unread = self._of_identities(pod)
        if required is not None:
            staged = default is not None and default[0] == AUDIT
            policies += identity_policy(required, tuple(sorted(taken)), probed, staged=staged)
        return Judged(
            policies=tuple(policies),
            http=frozenset(port for port, server in taken.items() if _is_http(server, port, probed)),
            limits=tuple(_limits(taken)),
            served=tuple(_served(taken)),
            opaque=frozenset(port for port, server in taken.items() if server.protocol in BYTES),
            problems=(*problems, *mistake, *unread),
        )

    def _default(self, pod: Pod) -> tuple[Default | None, tuple[Problem, ...]]:
        """Its own before its namespace's. One that nobody knows denies."""
        own = pod.metadata.annotations.get(ANNOTATION)
        if own is None:
            return self._defaults.get(pod.metadata.namespace), ()
        return default_of(pod, own)

    def _of_identities(self, pod: Pod) -> tuple[Required | None, tuple[Problem, ...]]:
        """Which ports ask for an identity, by the pod's own word before its namespace's."""
        own = pod.metadata.annotations.get(REQUIRING)
        if own is None:
            return self._required.get(pod.metadata.namespace), ()
        return required_of(pod, own)


def _is_http(server: ReadServer, port: int, probed: Mapping[int, tuple[str, ...]]) -> bool:
    """What says nothing of its protocol is HTTP where routes are attached, requests counted, or probes sent so."""
    asked = bool(server.routes) or server.limit is not None or port in probed
    undeclared = server.protocol not in BYTES and asked
    return server.protocol in HTTP or undeclared


def _served(taken: Mapping[int, ReadServer]) -> Iterator[Served]:
    """What routes change of requests: all of those of a Server of which one changes something."""
    for server in {server.origin: server for server in taken.values()}.values():
        if any(one.change != Change() for one, _ in server.routes) and not server.closed:
            ports = tuple(sorted(port for port, other in taken.items() if other.origin == server.origin))
            for one, _ in server.routes:
                yield Served(ports=ports, match=one.match, change=one.change, origin=one.route)


def _limits(taken: Mapping[int, ReadServer]) -> Iterator[RateLimit]:
    """What is counted, each at the ports of its Server."""
    counting = {server.origin: server.limit for server in taken.values() if server.protocol not in BYTES}
    for origin, limit in counting.items():
        if limit is not None:
            ports = tuple(sorted(port for port, server in taken.items() if server.origin == origin))
            yield msgspec.structs.replace(limit, ports=ports)
