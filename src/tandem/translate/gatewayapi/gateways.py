"""The gateway that Istio's Gateways share -> a Gateway, and the routes that hang on it. Pure.

In: the gateway in the IR, with its ports settled: which server has which hosts, and which routes are theirs. Out: one
Gateway in the root namespace, so that there is still one address, with a listener for each port of plain text and for
each host name in TLS; routes stand beside the VirtualServices that they are of.
"""

from __future__ import annotations

from typing import Any, Final

from tandem.ir.gateway import Gateway, GatewayListener, GatewayPort, HostRoutes, Sessions
from tandem.ir.mesh import BytesRoute
from tandem.ir.tlsterms import TlsTerms
from tandem.model import core
from tandem.model.istiogateway import IstioGateway
from tandem.model.meta import RawObject
from tandem.model.world import World
from tandem.translate.gatewayapi.actions import GROUP, Writer
from tandem.translate.gatewayapi.connections import connection_route
from tandem.translate.gatewayapi.requests import Head, http_route
from tandem.translate.gatewayapi.services import Leave
from tandem.translate.gatewayapi.shapes import Remarks
from tandem.translate.hostnames import EVERY, covers, most_specific

NAME: Final = "istio-ingressgateway"
CLASS: Final = "tandem"


class GatewayWriter:
    """What is written for the gateway; `leaves` is what needs a ReferenceGrant where it is elsewhere."""

    def __init__(self, world: World, gateway: Gateway, remarks: Remarks) -> None:
        self._world = world
        self._gateway = gateway
        self._remarks = remarks
        self._listeners: list[dict[str, Any]] = []
        self._per_port: list[dict[str, Any]] = []
        self._routes: list[RawObject] = []
        self._beside: list[RawObject] = []
        self.leaves: set[Leave] = set()

    def write(self) -> tuple[RawObject, ...]:
        """The Gateway, what it refers to, its routes and what is attached to those."""
        for port in self._gateway.ports:
            if port.bytes:
                self._add_bytes(port)
            elif port.tls:
                self._add_secure(port)
            else:
                self._add_plain(port)
        if not self._listeners:
            return ()
        frontend = {"tls": {"frontend": {"default": {}, "perPort": self._per_port}}} if self._per_port else {}
        gateway: RawObject = {
            "apiVersion": f"{GROUP}/v1",
            "kind": "Gateway",
            "metadata": {"name": NAME, "namespace": self._gateway.namespace},
            "spec": {"gatewayClassName": CLASS, **frontend, "listeners": self._listeners},
        }
        return (gateway, *self._routes, *self._beside)

    def _add_plain(self, port: GatewayPort) -> None:
        name = f"http-{port.port}"
        self._listen(name, port.port, "HTTP", EVERY)
        for listener in port.listeners:
            for host in listener.hosts:
                self._add_requests(listener, host, port.port, (name,))

    def _add_bytes(self, port: GatewayPort) -> None:
        (listener,) = port.listeners
        name = f"tcp-{port.port}"
        self._listen(name, port.port, "TCP", EVERY)
        if listener.connections is not None:
            self._add_connections("TCPRoute", listener.connections, (), (name,))

    def _add_secure(self, port: GatewayPort) -> None:
        served = [one for one in port.listeners if self._can_be_said(one)]
        self._ask_clients(port.port, served)
        every = {host for listener in served for host in listener.asked}
        for i, listener in enumerate(served):
            protocol = "HTTPS" if listener.sessions is Sessions.REQUESTS else "TLS"
            names = {host: f"{protocol.lower()}-{port.port}-{i}-{j}" for j, host in enumerate(listener.asked)}
            if len(names) > 1 and protocol == "HTTPS":
                text = "each host is a listener: requests for one on a connection for another are answered with 421"
                self._remarks.changed(listener.origin, "hosts", text)
            for host, name in names.items():
                self._listen(name, port.port, protocol, host, tls=self._tls(listener))
            for one in listener.hosts:
                at = tuple(name for host, name in names.items() if covers(host, one.host))
                self._add_requests(listener, one, port.port, at)
            for route in listener.named:
                asked = tuple(name for match in route.matches for name in match.server_names)
                hosts = tuple(host for host in asked or listener.asked if host != EVERY)
                for host in hosts:
                    if most_specific(every, host) not in names:
                        text = f"sessions for {host} are those of a more specific server of the port"
                        self._remarks.lost(route.origin, "match", text)
                kind = "TLSRoute" if hosts else "TCPRoute"
                self._add_connections(kind, route, hosts, tuple(names.values()))

    def _can_be_said(self, listener: GatewayListener) -> bool:
        if listener.terms.mesh:
            text = "certificates of the mesh are not asked for by Gateway API: the server is left out"
            self._remarks.lost(listener.origin, "tls.mode", text)
            return False
        proof = listener.terms.clients
        if proof is not None and (not proof.required or proof.crl_pem or proof.names or proof.spki or proof.hashes):
            text = "of clients an authority is asked for, and nothing else: the server is left out"
            self._remarks.lost(listener.origin, "tls", text)
            return False
        plain = TlsTerms()
        terms = listener.terms
        if (terms.least, terms.most, terms.ciphers) != (plain.least, plain.most, plain.ciphers):
            self._remarks.lost(listener.origin, "tls", "versions of TLS and ciphers are left to the implementation")
        return True

    def _ask_clients(self, port: int, listeners: list[GatewayListener]) -> None:
        """Whom clients are signed by is said for a port as a whole."""
        asked = {one.terms.clients.roots_pem if one.terms.clients is not None else "" for one in listeners}
        if asked <= {""}:
            return
        if len(asked) > 1:
            for one in [one for one in listeners if one.terms.clients is not None]:
                text = f"clients of port {port} are asked for one authority, or for none: the server is left out"
                self._remarks.lost(one.origin, "tls", text)
                listeners.remove(one)
            return
        name = f"{NAME}-clients-{port}"
        meta = {"name": name, "namespace": self._gateway.namespace}
        roots = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": asked.pop()}}
        self._beside.append(roots)
        validation = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": name}]}
        self._per_port.append({"port": port, "tls": {"validation": validation}})

    def _tls(self, listener: GatewayListener) -> dict[str, Any]:
        if listener.sessions is Sessions.PASSTHROUGH:
            return {"mode": "Passthrough"}
        namespace, _, rest = listener.name.partition(".")
        name, _, index = rest.rpartition(".")
        gateway = self._world.get(IstioGateway, namespace, name)
        tls = gateway.spec.servers[int(index)].tls if gateway is not None else None
        named = tls.credential_names or (tls.credential_name,) if tls is not None else ()
        return {"mode": "Terminate", "certificateRefs": [self._secret(one, namespace) for one in named if one]}

    def _secret(self, name: str, home: str) -> dict[str, str]:
        """In the root namespace, else beside Istio's Gateway."""
        root = self._gateway.namespace
        namespace = root if self._world.get(core.Secret, root, name) is not None else home
        if namespace == root:
            return {"name": name}
        self.leaves.add(Leave(kind="Gateway", home=root, to="Secret", namespace=namespace, name=name))
        return {"name": name, "namespace": namespace}

    def _listen(self, name: str, port: int, protocol: str, host: str, *, tls: dict[str, Any] | None = None) -> None:
        made: dict[str, Any] = {"name": name, "port": port, "protocol": protocol}
        if host != EVERY:
            made["hostname"] = host
        if tls is not None:
            made["tls"] = tls
        self._listeners.append(made | {"allowedRoutes": {"namespaces": {"from": "All"}}})

    def _add_requests(self, listener: GatewayListener, host: HostRoutes, port: int, at: tuple[str, ...]) -> None:
        if not host.routes:
            text = f"{host.host} has no route to be written: its requests go by routes for more hosts"
            self._remarks.lost(listener.origin, "hosts", text)
            return
        home = host.routes[0].origin.namespace
        writer = Writer(home, port, self._remarks)
        head = Head(
            namespace=home,
            suffix=f"{_word(host.host)}-{at[0]}",
            parents=tuple(self._parent(name) for name in at),
            hostnames=(host.host,) if host.host != EVERY else (),
        )
        route, troubles = http_route(head, host.routes, writer, self._remarks)
        if route is not None:
            self._routes.append(route)
            self._beside += troubles
            for namespace, name in writer.backends:
                self.leaves.add(Leave(kind="HTTPRoute", home=home, to="Service", namespace=namespace, name=name))

    def _add_connections(self, kind: str, route: BytesRoute, hosts: tuple[str, ...], at: tuple[str, ...]) -> None:
        head = Head(
            namespace=route.origin.namespace,
            suffix=f"{at[0]}-{route.name.rpartition('/')[2]}",
            parents=tuple(self._parent(name) for name in at),
            hostnames=hosts,
        )
        made, leaves = connection_route(kind, head, route)
        self._routes.append(made)
        self.leaves |= leaves

    def _parent(self, listener: str) -> dict[str, Any]:
        return {"name": NAME, "namespace": self._gateway.namespace, "sectionName": listener}


def _word(host: str) -> str:
    """A host as a part of an object's name."""
    return host.replace("*.", "any.").replace(EVERY, "any").replace(".", "-")
