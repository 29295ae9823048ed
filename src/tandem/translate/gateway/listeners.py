"""spec.listeners of a Gateway -> what each is good for, with Problems at the exact field. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.model.gateways import GROUP, Gateway, Listener, RouteKind
from tandem.model.selectors import matches, unknown_operator
from tandem.model.world import World
from tandem.translate.gateway.certificates import certificates_of
from tandem.translate.gateway.edge import NOT_ACCEPTED
from tandem.translate.gateway.hosts import EVERY

HTTP_ROUTE: Final = RouteKind(group=GROUP, kind="HTTPRoute")
GRPC_ROUTE: Final = RouteKind(group=GROUP, kind="GRPCRoute")
TCP_ROUTE: Final = RouteKind(group=GROUP, kind="TCPRoute")
KINDS: Final = {"HTTP": (HTTP_ROUTE, GRPC_ROUTE), "HTTPS": (HTTP_ROUTE, GRPC_ROUTE), "TCP": (TCP_ROUTE,)}
"""Protocols that are served -> the kinds of routes that listeners of it may have."""


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A listener and what can be done with it."""

    listener: Listener
    index: int
    hostname: str
    kinds: tuple[RouteKind, ...]
    certificates: tuple[str, ...] = ()
    accepted: bool
    serves: bool
    """It is accepted and has a certificate where it needs one."""


def read_listeners(world: World, gateway: Gateway) -> tuple[tuple[Read, ...], tuple[Problem, ...]]:
    """Every listener, in their order."""
    reader = _Reader(world, gateway)
    found = tuple(reader.read(i) for i in range(len(gateway.spec.listeners)))
    return found, tuple(reader.problems)


def admits(read: Read, kind: RouteKind, namespace: str, world: World, home: str) -> bool:
    """True if routes of this kind and namespace may attach to the listener of a Gateway in `home`."""
    if kind not in read.kinds:
        return False
    allowed = read.listener.allowed_routes.namespaces
    match allowed.from_:
        case "All":
            return True
        case "Same":
            return namespace == home
        case "Selector" if allowed.selector is not None and not unknown_operator(allowed.selector):
            return matches(allowed.selector, world.namespace_labels.get(namespace) or {})
        case _:
            return False


class _Reader:
    """Reads one listener after the other; `problems` is what is wrong with all of them."""

    def __init__(self, world: World, gateway: Gateway) -> None:
        self._world = world
        self._gateway = gateway
        self._at = ""
        self.problems: list[Problem] = []

    def read(self, index: int) -> Read:
        listener = self._gateway.spec.listeners[index]
        self._at, before = f"spec.listeners[{index}]", len(self.problems)
        self._protocol(listener)
        self._tls(listener)
        kinds = self._kinds(listener)
        certificates: tuple[str, ...] = ()
        if listener.protocol == "HTTPS":
            certificates, wrong = certificates_of(self._world, self._gateway, listener)
            for path, (code, text) in wrong.items():
                self._wrong(path, code, text)
        accepted = not any(p.code in NOT_ACCEPTED for p in self.problems[before:])
        return Read(
            listener=listener,
            index=index,
            hostname=listener.hostname or EVERY,
            kinds=kinds,
            certificates=certificates,
            accepted=accepted,
            serves=accepted and bool(kinds) and (listener.protocol != "HTTPS" or bool(certificates)),
        )

    def _wrong(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(at=self._gateway.origin(f"{self._at}.{path}"), code=code, text=text))

    def _protocol(self, listener: Listener) -> None:
        """Whether it is served, alone and beside the other listeners."""
        if listener.protocol not in KINDS:
            text = f"{listener.protocol} is not served by gateways here, only {', '.join(KINDS)}"
            self._wrong("protocol", "UnsupportedProtocol", text)
            return
        if listener.protocol == "TCP" and listener.hostname:
            self._wrong("hostname", "UnsupportedValue", "connections of TCP name no host")
        for other in self._gateway.spec.listeners:
            if other is listener or other.port != listener.port or other.protocol not in KINDS:
                continue
            if other.protocol != listener.protocol:
                text = f"listener {other.name} has the same port and the protocol {other.protocol}"
                self._wrong("protocol", "ProtocolConflict", text)
            elif listener.protocol == "TCP" or other.hostname == listener.hostname:
                host = listener.hostname or "every host"
                text = f"listener {other.name} of the same port is for {host} too"
                self._wrong("hostname", "HostnameConflict", text)

    def _tls(self, listener: Listener) -> None:
        if listener.tls is None or listener.protocol not in KINDS:
            return
        if listener.protocol == "TCP":
            self._wrong("tls", "UnsupportedValue", "TLS of a listener of TCP is that of its backends")
        if listener.protocol == "HTTPS" and listener.tls.mode != "Terminate":
            text = f"{listener.tls.mode} has no meaning for HTTPS: requests must be read"
            self._wrong("tls.mode", "UnsupportedValue", text)
        for name in sorted(listener.tls.options):
            self._wrong(f"tls.options[{name}]", "UnsupportedValue", f"there is no option {name!r} here")

    def _kinds(self, listener: Listener) -> tuple[RouteKind, ...]:
        """The kinds that may attach; what was asked for and may not is told."""
        known = KINDS.get(listener.protocol, ())
        asked = listener.allowed_routes.kinds
        if not asked or not known:
            return known
        for i, kind in enumerate(asked):
            if kind not in known:
                text = f"{kind.group}/{kind.kind} cannot attach to this protocol"
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
    for field in ("labels", "annotations"):
        if getattr(spec.infrastructure, field):
            text = "no object is made for a gateway that could carry them"
            yield wrong(f"spec.infrastructure.{field}", "NoEffect", text, Severity.WARNING)
    for field in ("frontend", "backend"):
        if getattr(spec.tls, field) is not None:
            text = "certificates of clients, and for backends, are not supported: nothing of the gateway is served"
            yield wrong(f"spec.tls.{field}", "UnsupportedValue", text)
    if spec.default_scope not in {"", "None"}:
        text = "routes attach to gateways that they name, to no other"
        yield wrong("spec.defaultScope", "UnsupportedValue", text)
    if (spec.allowed_listeners or {}).get("namespaces", {}).get("from", "None") != "None":
        text = "ListenerSets are not served here"
        yield wrong("spec.allowedListeners", "NoEffect", text, Severity.WARNING)
