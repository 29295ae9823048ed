"""Names behind addresses, pods, routes and refusals, from one NodeView; lookups are dictionaries made on first use."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import msgspec

from tandem.base.addresses import family
from tandem.base.problems import Origin
from tandem.compile.names import authz_rule, gateway_client
from tandem.compile.nft.origins import origins
from tandem.ir.authz import Action, AuthzPolicy
from tandem.ir.fabric import MtlsMode
from tandem.ir.gateway import Gateway, routes_of
from tandem.ir.logged import EVERYTHING, Logging
from tandem.ir.mesh import BytesRoute
from tandem.ir.node import AttachedPod, NodeView
from tandem.observe.accesslog import EGRESS
from tandem.observe.flow import Party, Verdict
from tandem.observe.nflog import Handed
from tandem.observe.outcome import Behind
from tandem.runtime.behind import behind

_CLIENT_LOGS: Final = frozenset({"source", "outside"})
"""What a pod sends is in these (`compile/names.py`)."""


class Whois:
    """Answers for one view."""

    def __init__(self, view: NodeView) -> None:
        self._view = view

    def party(self, address: str) -> Party:
        """Who has this address: a pod of this node, a pod behind a Service, a Service, or just the address."""
        found = self._by_address.get(address)
        return found if found is not None else Party(address=address)

    def pod(self, uid: str) -> Party:
        """A pod of this node by its uid."""
        return self._by_uid.get(uid, Party())

    def route(self, name: str) -> Origin | None:
        """The manifest behind a route name."""
        return self._routes.get(name)

    def handed(self, address: str, port: int, *, lost: bool) -> Handed:
        """What a datagram to a gateway's address was, and whose route decided."""
        gateway, route = self._datagrams.get((address, port), (Party(), None))
        rules = (route.origin,) if route is not None else ()
        if not lost:
            return Handed(verdict=Verdict.ALLOWED, gateway=gateway, reason="", rules=rules)
        who = "the backend that it falls to has no endpoint, or may not be used" if route else "no route"
        return Handed(verdict=Verdict.ERROR, gateway=gateway, reason=f"dropped: {who}", rules=rules)

    def fault(self, name: str) -> Origin | None:
        """The policy that makes trouble for requests of a route on purpose."""
        return self._faults.get(name)

    def refused(self, uid: str, port: int) -> Origin | None:
        """The PeerAuthentication that refuses plain text to a pod's port; None: no object, or no such pod."""
        for attached in self._view.pods:
            if attached.pod.uid == uid:
                modes = {m.port: m for m in attached.pod.mtls}
                mode = modes.get(port, modes.get(0))
                return mode.origin if mode is not None and mode.mode is MtlsMode.STRICT else None
        return None

    def outbound(self, uid: str) -> Origin | None:
        """What says that a pod reaches nothing but what it sees."""
        return next((p.pod.outbound.origin for p in self._view.pods if p.pod.uid == uid), None)

    def behind(self, cluster: str) -> Behind:
        """What is behind a cluster."""
        return behind(self._view, cluster)

    def silent(self, log_name: str) -> bool:
        """Whether nothing of an access log becomes a flow."""
        kind, _, uid = log_name.partition("|")
        logging = self._logging.get(uid, EVERYTHING)
        return (logging.client if kind in _CLIENT_LOGS else logging.server).nothing

    def authorized(self, uid: str, rule: str) -> tuple[Origin, ...]:
        """The rule of that name at a pod, at a gateway, or at the egress gateway (EGRESS).

        Of an empty name: the policies of which one must allow.
        """
        policies = self._judging(uid)
        if not rule:
            return tuple(dict.fromkeys(p.origin for p in policies if p.action is Action.ALLOW and not p.staged))
        found = (r.origin for p in policies for r in p.rules if authz_rule(r.origin) == rule)
        return tuple(dict.fromkeys(found))

    def staged(self, uid: str) -> tuple[Origin, ...]:
        """The staged policies of a pod or a gateway of which one would have to allow."""
        found = (p.origin for p in self._judging(uid) if p.action is Action.ALLOW and p.staged)
        return tuple(dict.fromkeys(found))

    def authenticated(self, uid: str) -> tuple[Origin, ...]:
        """The rules by which a pod or a gateway refuses tokens."""
        gateway = self._gateways.get(uid)
        pods = (p.pod.authentication for p in self._view.pods if p.pod.uid == uid)
        rules = gateway.authentication if gateway is not None else next(pods, ())
        return tuple(rule.origin for rule in rules if not rule.provider)

    def dialled(self, uid: str, address: str, port: int) -> tuple[str, int]:
        """Where a client dialled what came to this socket: gateways have their own address and port, not the node's."""
        gateway = self._gateways.get(uid)
        if gateway is None:
            return address, port
        fronts = (own for own in gateway.addresses if address and family(own) == family(address))
        ports = (one.port for one in gateway.ports if one.target == port)
        return next(fronts, address), next(ports, port)

    def policies(self, prefix: str) -> tuple[Origin, ...]:
        """The policies behind the log prefix of a drop."""
        return self._policies.get(prefix, ())

    def _judging(self, uid: str) -> tuple[AuthzPolicy, ...]:
        gateway = self._gateways.get(uid)
        if gateway is not None:
            return gateway.authorization
        if uid == EGRESS:
            return self._at_egress
        return next((p.pod.authorization for p in self._view.pods if p.pod.uid == uid), ())

    @cached_property
    def _at_egress(self) -> tuple[AuthzPolicy, ...]:
        """What judges on ways through the egress gateway: of one policy as many as there are ports there."""
        found: dict[AuthzPolicy, None] = {}
        for table in self._view.tables.values():
            for judged in (*(r.authorization for r in table.routes), *(r.authorization for r in table.bytes)):
                found |= dict.fromkeys(judged)
        return tuple(found)

    @cached_property
    def _logging(self) -> dict[str, Logging]:
        return {p.pod.uid: p.pod.logging for p in self._view.pods if p.pod.logging != EVERYTHING}

    @cached_property
    def _gateways(self) -> dict[str, Gateway]:
        return {gateway_client(g.namespace, g.name): g for g in self._view.gateways.values()}

    @cached_property
    def _policies(self) -> dict[str, tuple[Origin, ...]]:
        return origins(self._view)

    @cached_property
    def _by_uid(self) -> dict[str, Party]:
        pods: dict[str, Party] = {
            p.pod.uid: _pod(p) if p.pod.namespace else Party(address=_address(p), container=p.container_id)
            for p in self._view.pods
        }
        return pods | {uid: _gateway(g) for uid, g in self._gateways.items()}

    @cached_property
    def _by_address(self) -> dict[str, Party]:
        found: dict[str, Party] = {}
        for service in self._view.services.values():
            for address in service.cluster_ips:
                found[address] = Party(address=address, service=f"{service.namespace}/{service.name}")
        for endpoints in self._view.endpoints.values():
            for end in endpoints.endpoints:
                found[end.address] = Party(
                    address=end.address,
                    namespace=endpoints.namespace if end.pod_name else "",
                    pod=end.pod_name,
                    identity=end.identity or "",
                )
        for attached in self._view.pods:
            for address in attached.addresses:
                found[address] = msgspec.structs.replace(self._by_uid[attached.pod.uid], address=address)
        return found

    @cached_property
    def _datagrams(self) -> dict[tuple[str, int], tuple[Party, BytesRoute | None]]:
        """By address and port of UDP, the gateway and the route of its listener."""
        return {
            (address, port.port): (_gateway(gateway), port.route)
            for gateway in self._view.gateways.values()
            for port in gateway.datagrams
            for address in self._view.reached_at(gateway)
        }

    @cached_property
    def _faults(self) -> dict[str, Origin]:
        tables = [route for table in self._view.tables.values() for route in table.routes]
        edges = [route for gateway in self._view.gateways.values() for route in routes_of(gateway)]
        return {r.name: r.fault.origin for r in (*tables, *edges) if r.fault is not None and r.fault.origin is not None}

    @cached_property
    def _routes(self) -> dict[str, Origin]:
        found = {r.name: r.origin for table in self._view.tables.values() for r in table.routes}
        return found | {r.name: r.origin for gateway in self._view.gateways.values() for r in routes_of(gateway)}


def _pod(attached: AttachedPod) -> Party:
    pod = attached.pod
    identity = pod.identity if pod.meshed else ""
    return Party(address=_address(attached), namespace=pod.namespace, pod=pod.name, identity=identity)


def _gateway(gateway: Gateway) -> Party:
    """Beside pods: what reaches it is told as what reaches a pod."""
    return Party(namespace=gateway.namespace, pod=f"gateway/{gateway.name}", identity=gateway.identity)


def _address(attached: AttachedPod) -> str:
    return next(iter(attached.addresses), "")
