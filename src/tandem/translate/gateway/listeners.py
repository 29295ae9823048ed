"""spec.listeners of a Gateway and its sets -> what each is good for, with Problems at the exact field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from tandem.base.problems import ObjectKey, Problem, Severity
from tandem.model.gateways import GROUP, Gateway, Listener, RouteKind, RouteNamespaces
from tandem.model.listenersets import ListenerSet
from tandem.model.selectors import matches, unknown_operator
from tandem.model.world import World
from tandem.translate.gateway.certificates import certificates_of
from tandem.translate.gateway.clashes import BY_NAME, FIELDS, HOSTLESS, Clash, clashes_of
from tandem.translate.gateway.clients import NOT_ASKED, Governed, read_clients
from tandem.translate.gateway.edge import NOT_ACCEPTED, Holder
from tandem.translate.hostnames import EVERY

HTTP_ROUTE: Final = RouteKind(group=GROUP, kind="HTTPRoute")
GRPC_ROUTE: Final = RouteKind(group=GROUP, kind="GRPCRoute")
TCP_ROUTE: Final = RouteKind(group=GROUP, kind="TCPRoute")
UDP_ROUTE: Final = RouteKind(group=GROUP, kind="UDPRoute")
TLS_ROUTE: Final = RouteKind(group=GROUP, kind="TLSRoute")
KINDS: Final = {
    "HTTP": (HTTP_ROUTE, GRPC_ROUTE),
    "HTTPS": (HTTP_ROUTE, GRPC_ROUTE),
    "TCP": (TCP_ROUTE,),
    "TLS": (TLS_ROUTE, TCP_ROUTE),
    "UDP": (UDP_ROUTE,),
}
"""Protocols that are served -> the kinds of routes that listeners of it may have."""
PASSTHROUGH: Final = "Passthrough"
"""The mode of listeners that only TLSRoutes attach to (API docs, TLSModePassthrough)."""

Place = tuple[ObjectKey, str]
"""An object with listeners, and the name of one of them."""


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A listener, whose it is and where in its spec.listeners, and what can be done with it."""

    holder: Holder
    listener: Listener
    index: int
    hostname: str
    kinds: tuple[RouteKind, ...]
    certificates: tuple[str, ...] = ()
    clients: Governed = NOT_ASKED
    """What its clients must show."""
    accepted: bool
    serves: bool
    """It is accepted and has a certificate where it needs one."""

    @property
    def name(self) -> str:
        """Its own among all of the Gateway: several objects may have a listener of the same name."""
        namespace, name = self.holder.key
        own = self.listener.name
        return own if isinstance(self.holder, Gateway) else f"{namespace}/{name}/{own}"

    @property
    def place(self) -> Place:
        """Where routes find it."""
        return (self.holder.kind, *self.holder.key), self.listener.name


ByHolder = dict[ObjectKey, tuple[Read, ...]]
"""The listeners of each object that has some."""


def read_listeners(world: World, gateway: Gateway, *sets: ListenerSet) -> tuple[ByHolder, tuple[Problem, ...]]:
    """Every listener of the Gateway and of its sets, in their order."""
    holders: tuple[Holder, ...] = (gateway, *sets)
    clashes = clashes_of([holder.spec.listeners for holder in holders], KINDS)
    found: ByHolder = {}
    problems: list[Problem] = []
    every = [listener for holder in holders for listener in holder.spec.listeners]
    ports = frozenset(listener.port for listener in every if listener.protocol == "HTTPS")
    clients, wrong = read_clients(world, gateway, ports)
    problems += wrong
    for i, holder in enumerate(holders):
        reader = _Reader(world, holder, clients)
        reads = tuple(reader.read(j, clashes.get((i, j))) for j in range(len(holder.spec.listeners)))
        found[holder.kind, *holder.key] = reads
        problems += reader.problems
    return found, tuple(problems)


def admits(read: Read, kind: RouteKind, namespace: str, world: World) -> bool:
    """True if routes of this kind and namespace may attach to the listener."""
    home = read.holder.metadata.namespace
    return kind in read.kinds and meets(read.listener.allowed_routes.namespaces, namespace, world, home)


def meets(allowed: RouteNamespaces, namespace: str, world: World, home: str) -> bool:
    """True if an object in `home` that allows these namespaces means this one."""
    match allowed.from_:
        case "All":
            return True
        case "Same":
            return namespace == home
        case "Selector" if allowed.selector is not None and not unknown_operator(allowed.selector):
            return matches(allowed.selector, world.namespace_labels.get(namespace) or {})
        case _:
            return False


def kinds_of(listener: Listener) -> tuple[RouteKind, ...]:
    """The kinds of routes that may attach for the sake of protocol and mode; none of a protocol that is not served."""
    return (TLS_ROUTE,) if passes_through(listener) else KINDS.get(listener.protocol, ())


def passes_through(listener: Listener) -> bool:
    """True for a listener of TLS that hands sessions on as they are."""
    return listener.protocol == "TLS" and listener.tls is not None and listener.tls.mode == PASSTHROUGH


def shows_certificates(listener: Listener) -> bool:
    """True for a listener at which sessions of TLS end."""
    return listener.protocol in BY_NAME and not passes_through(listener)


class _Reader:
    """Reads one listener of an object after the other; `problems` is what is wrong with all of them."""

    def __init__(self, world: World, holder: Holder, clients: Mapping[int, Governed]) -> None:
        self._world = world
        self._holder = holder
        self._at = ""
        self._clients = clients
        self.problems: list[Problem] = []

    def read(self, index: int, clash: Clash | None) -> Read:
        """`clash`: the conflict that it is in."""
        listener = self._holder.spec.listeners[index]
        self._at, before = f"spec.listeners[{index}]", len(self.problems)
        self._protocol(listener)
        if clash is not None:
            self._wrong(FIELDS[clash[0]], *clash)
        self._tls(listener)
        kinds = self._kinds(listener)
        certificates: tuple[str, ...] = ()
        clients = self._asked(listener)
        if shows_certificates(listener):
            certificates, wrong = certificates_of(self._world, self._holder, listener)
            for path, (code, text) in wrong.items():
                self._wrong(path, code, text)
        accepted = not clients.refused and not any(p.code in NOT_ACCEPTED for p in self.problems[before:])
        return Read(
            holder=self._holder,
            listener=listener,
            index=index,
            hostname=listener.hostname or EVERY,
            kinds=kinds,
            certificates=certificates,
            clients=clients,
            accepted=accepted,
            serves=accepted and bool(kinds) and (not shows_certificates(listener) or bool(certificates)),
        )

    def _asked(self, listener: Listener) -> Governed:
        """What its clients must show; the listeners of a set are told what is wrong with that in their own place."""
        if listener.protocol != "HTTPS":
            return NOT_ASKED
        found = self._clients[listener.port]
        if not isinstance(self._holder, Gateway):
            for at, code, text in found.wrong:
                self._wrong("port", code, f"{at} of the Gateway: {text}")
        return found

    def _wrong(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(at=self._holder.origin(f"{self._at}.{path}"), code=code, text=text))

    def _protocol(self, listener: Listener) -> None:
        """Whether it is served, if it were alone."""
        if listener.protocol not in KINDS:
            text = f"{listener.protocol} is not served by gateways here, only {', '.join(KINDS)}"
            self._wrong("protocol", "UnsupportedProtocol", text)
        elif listener.protocol in HOSTLESS and listener.hostname:
            self._wrong("hostname", "UnsupportedValue", f"what comes by {listener.protocol} names no host")

    def _tls(self, listener: Listener) -> None:
        if listener.tls is None or listener.protocol not in KINDS:
            return
        if listener.protocol in HOSTLESS:
            text = f"TLS of a listener of {listener.protocol} is that of its backends"
            self._wrong("tls", "UnsupportedValue", text)
        if passes_through(listener) and listener.tls.certificate_refs:
            at = self._holder.origin(f"{self._at}.tls.certificateRefs")
            text = "no certificate is shown where sessions are passed through"
            self.problems.append(Problem(at=at, code="NoEffect", text=text, severity=Severity.WARNING))
        if listener.protocol == "HTTPS" and listener.tls.mode != "Terminate":
            text = f"{listener.tls.mode} has no meaning for HTTPS: requests must be read"
            self._wrong("tls.mode", "UnsupportedValue", text)
        for name in sorted(listener.tls.options):
            self._wrong(f"tls.options[{name}]", "UnsupportedValue", f"there is no option {name!r} here")

    def _kinds(self, listener: Listener) -> tuple[RouteKind, ...]:
        """The kinds that may attach; what was asked for and may not is told."""
        known = kinds_of(listener)
        asked = listener.allowed_routes.kinds or known
        for i, kind in enumerate(asked):
            if kind not in known:
                text = f"{kind.group}/{kind.kind} cannot attach to {listener.protocol}"
                self._wrong(f"allowedRoutes.kinds[{i}]", "InvalidRouteKinds", text)
        return tuple(dict.fromkeys(kind for kind in asked if kind in known))


def gateway_mistakes(gateway: Gateway) -> Iterator[Problem]:
    """What is wrong with a Gateway apart from listeners and addresses; what is not enforced refuses the whole."""

    def wrong(path: str, code: str, text: str, severity: Severity = Severity.ERROR) -> Problem:
        return Problem(at=gateway.origin(path), code=code, text=text, severity=severity)

    spec = gateway.spec
    if spec.infrastructure.parameters_ref is not None:
        ref = spec.infrastructure.parameters_ref
        text = f"{ref.group}/{ref.kind} {ref.name}: gateways here have no parameters"
        yield wrong("spec.infrastructure.parametersRef", "InvalidParameters", text)
    if spec.infrastructure.annotations:
        text = "no object is made for a gateway that could carry them"
        yield wrong("spec.infrastructure.annotations", "NoEffect", text, Severity.WARNING)
    if spec.default_scope not in {"", "None"}:
        text = "routes attach to gateways that they name, to no other"
        yield wrong("spec.defaultScope", "UnsupportedValue", text)
