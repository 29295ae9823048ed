"""spec.servers of Gateways that share the cluster's gateway -> what each is good for, with Problems by field. Pure.

A port is what the first server of it makes of it: plain HTTP, TLS, or bytes. Servers of plain HTTP join, those of TLS
are told apart by the names that clients ask for, and one of bytes has its port alone; what clashes with an older server
is left out (Istio's merging of Gateways).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Final

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.model.istiogateway import IstioGateway, Server, ServerTls
from tandem.model.schemas.rules_istiogateway import PLAIN, SECURE, TERMINATING
from tandem.model.world import World
from tandem.translate.credentials import Credentials
from tandem.translate.ingress.terms import Terminated, camel, read_terms
from tandem.translate.options import Options
from tandem.translate.trust import trusted_domains

CLASHES: Final = frozenset({"ProtocolConflict", "HostnameConflict"})
NOT_SERVED: Final = frozenset({"UnsupportedField", "UnsupportedValue", "InvalidValue"})
"""Codes of mistakes after which a server serves nobody."""
_SHOWN: Final = ("credential_name", "credential_names", "server_certificate", "tls_certificates", "ca_certificates")
EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - words of `bind`, to which nothing is bound


class Use(Enum):
    """What a server does with what comes in."""

    PLAIN = auto()
    """Requests in plain text."""
    REQUESTS = auto()
    """TLS ends, and the requests in it are read."""
    TERMINATE = auto()
    """TLS ends, and the bytes in it are handed on."""
    PASSTHROUGH = auto()
    """TLS is handed on by the name that is asked for."""
    BYTES = auto()

    @property
    def secure(self) -> bool:
        """Clients speak TLS."""
        return self not in {Use.PLAIN, Use.BYTES}


class HostRule(msgspec.Struct, frozen=True, kw_only=True):
    """A host of a server; `namespace` is whose VirtualServices may be for it, empty: all."""

    namespace: str
    host: str


class ReadServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server and what can be done with it."""

    gateway: IstioGateway
    index: int
    port: int
    use: Use
    hosts: tuple[HostRule, ...]
    redirects: bool
    """Plain requests are sent to HTTPS."""
    tls: Terminated

    @property
    def at(self) -> str:
        """Its path."""
        return f"spec.servers[{self.index}]"

    @property
    def name(self) -> str:
        """Its own among all servers of the gateway."""
        namespace, name = self.gateway.key
        return f"{namespace}.{name}.{self.index}"

    @property
    def grpc_web(self) -> bool:
        """Its clients may speak gRPC-Web."""
        return self.gateway.spec.servers[self.index].port.protocol.upper() == "GRPC-WEB"

    @property
    def serves(self) -> bool:
        """Clients can be answered: TLS that ends here needs a certificate."""
        ends = self.use in {Use.REQUESTS, Use.TERMINATE}
        return not ends or bool(self.tls.certificates) or self.tls.terms.mesh is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Host names without namespaces."""
        return tuple(dict.fromkeys(rule.host for rule in self.hosts))


class Servers:
    """Reads one Gateway after the other, the oldest first; `problems` is what is wrong with all of them."""

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self._options = options
        self._domains = trusted_domains(world, options)
        self._found: list[ReadServer] = []
        self._gateway: IstioGateway | None = None
        self._at = ""
        self.problems: list[Problem] = []

    @property
    def found(self) -> tuple[ReadServer, ...]:
        """Those that are there, in order."""
        return tuple(self._found)

    def read(self, gateway: IstioGateway) -> None:
        """The servers of one more Gateway."""
        self._gateway = gateway
        for i, server in enumerate(gateway.spec.servers):
            self._at, before = f"spec.servers[{i}]", len(self.problems)
            made = self._read(gateway, i, server)
            codes = {p.code for p in self.problems[before:] if p.severity is Severity.ERROR}
            if not codes & NOT_SERVED and not codes & CLASHES:
                self._found.append(made)
            elif made.use.secure and not codes & CLASHES:
                # It stays, without a certificate: its hosts must not come to a server that asks for less.
                self._found.append(msgspec.structs.replace(made, use=Use.REQUESTS, tls=Terminated()))

    def _read(self, gateway: IstioGateway, index: int, server: Server) -> ReadServer:
        tls = server.tls or ServerTls()
        use = self._use(server, tls)
        home = gateway.metadata.namespace
        self._idle(server)
        terminated = Terminated()
        if use in {Use.REQUESTS, Use.TERMINATE}:
            namespaces = tuple(dict.fromkeys((self._options.root_namespace, home)))
            credentials = Credentials(world=self._world, namespaces=namespaces)
            terminated = read_terms(tls, credentials, "tls", self._wrong, domains=self._domains)
        made = ReadServer(
            gateway=gateway,
            index=index,
            port=server.port.number,
            use=use,
            hosts=tuple(_rules(server, home)),
            redirects=tls.https_redirect and use is Use.PLAIN,
            tls=terminated,
        )
        self._clashes(made)
        return made

    def _use(self, server: Server, tls: ServerTls) -> Use:
        protocol = server.port.protocol.upper()
        if protocol in PLAIN:
            return Use.PLAIN
        if protocol not in SECURE:
            return Use.BYTES
        if tls.mode == "AUTO_PASSTHROUGH":
            text = "there is one network here, whose pods need no gateway to reach each other: use PASSTHROUGH"
            self._wrong("tls.mode", "UnsupportedValue", text)
        if tls.mode not in {*TERMINATING, "ISTIO_MUTUAL"}:
            return Use.PASSTHROUGH
        return Use.REQUESTS if protocol == "HTTPS" else Use.TERMINATE

    def _idle(self, server: Server) -> None:
        """Fields that change nothing, and those that cannot be meant."""
        if server.bind not in EVERYWHERE:
            text = "the gateway is reached at its own addresses, and at nothing else"
            self._wrong("bind", "UnsupportedField", text)
        for field, value in (
            ("defaultEndpoint", server.default_endpoint),
            ("port.targetPort", server.port.target_port),
        ):
            if value:
                self._wrong(field, "NoEffect", "it has no effect, nor has it in Istio", Severity.WARNING)
        if server.tls is not None and server.tls.https_redirect and server.port.protocol.upper() not in PLAIN:
            text = "requests come by HTTPS already"
            self._wrong("tls.httpsRedirect", "NoEffect", text, Severity.WARNING)
        for field in _SHOWN if server.tls is not None and server.tls.mode == "PASSTHROUGH" else ():
            if getattr(server.tls, field):
                text = "no certificate is shown, or asked for, where sessions are passed through"
                self._wrong(f"tls.{camel(field)}", "NoEffect", text, Severity.WARNING)

    def _clashes(self, made: ReadServer) -> None:
        """With the servers of the same port that were there before."""
        before = [server for server in self._found if server.port == made.port]
        first = next(iter(before), None)
        if first is None:
            return
        if first.use.secure != made.use.secure or Use.BYTES in {first.use, made.use}:
            text = f"{first.gateway.origin(first.at)} has the port {made.port} already, for something else"
            self._wrong("port.protocol", "ProtocolConflict", text)
        elif made.use.secure:
            taken: Mapping[str, ReadServer] = {rule.host: server for server in before for rule in server.hosts}
            for i, rule in enumerate(made.hosts):
                if rule.host in taken:
                    other = taken[rule.host]
                    text = (
                        f"{other.gateway.origin(other.at)} is for {rule.host} at port {made.port} too, and comes first"
                    )
                    self._wrong(f"hosts[{i}]", "HostnameConflict", text)

    def _wrong(self, path: str, code: str, text: str, severity: Severity = Severity.ERROR) -> None:
        assert self._gateway is not None  # noqa: S101 - set before anything is read
        at = self._gateway.origin(f"{self._at}.{path}")
        self.problems.append(Problem(at=at, code=code, text=text, severity=severity))


def _rules(server: Server, home: str) -> Iterator[HostRule]:
    for text in server.hosts:
        namespace, _, host = text.lower().rpartition("/")
        yield HostRule(namespace={"*": "", ".": home}.get(namespace, namespace), host=host)
