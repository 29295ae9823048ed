"""ingress and inboundConnectionPool of a Sidecar -> where a pod's proxy delivers, and its limits, with Problems. Pure.

All that reaches a pod is captured, whatever `captureMode` says, so a port needs no listener of its own: what is said of
it is done where it is dialled. Ports that are not named go on as without a Sidecar (as in Istio, which passes them on).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from tandem.base.problems import Problem
from tandem.ir.delivery import AS_DIALLED, AS_MANY, Arrival, Delivery, Room
from tandem.model.egress import EntryPort, IngressListener, Sidecar
from tandem.model.istio import ConnectionPool
from tandem.translate.mesh.istio.serviceentry import app_of, is_known
from tandem.translate.mesh.istio.traffic import read_pool

_ENDPOINT: Final = re.compile(r"(?P<host>127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\]):(?P<port>\d{1,5})")
_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - words of `bind`, to which nothing is bound
_NAMES: Final = {"connect_timeout_ms": "connect_ms"}
_LOOPBACK: Final = {"127.0.0.1": "127.0.0.1", "[::1]": "::1"}


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What one Sidecar says of its pods."""

    delivery: Delivery = AS_DIALLED
    http: frozenset[int] = frozenset()
    """Ports whose requests are read, also without TLS."""
    opaque: frozenset[int] = frozenset()
    """Ports whose plain bytes are not."""
    problems: tuple[Problem, ...] = ()


def read_delivery(sidecar: Sidecar) -> Read:
    """A listener with a mistake is left out: what it names is reached as without it."""
    problems: list[Problem] = []
    arrivals: dict[int, Arrival] = {}
    ports: dict[int, Room] = {}
    apps: dict[int, bool] = {}
    for i, listener in enumerate(sidecar.spec.ingress):
        at = f"spec.ingress[{i}]"
        wrong = list(_mistakes(sidecar, listener, at, frozenset(apps)))
        problems += wrong
        if wrong or listener.port is None:
            continue
        number, found = listener.port.number, _ENDPOINT.fullmatch(listener.default_endpoint)
        apps[number] = app_of(_entry(listener)).is_http
        if found is not None:
            arrival = Arrival(port=number, target=int(found["port"]), loopback=_LOOPBACK.get(found["host"], ""))
            if arrival != Arrival(port=number, target=number):
                arrivals[number] = arrival
        if listener.connection_pool is not None:
            ports[number] = _room(sidecar, listener.connection_pool, f"{at}.connectionPool", problems)
    pool = sidecar.spec.inbound_connection_pool
    whole = _room(sidecar, pool, "spec.inboundConnectionPool", problems) if pool is not None else AS_MANY
    made = Delivery(
        arrivals=tuple(arrivals[number] for number in sorted(arrivals)),
        room=whole,
        ports=tuple(sorted(ports.items(), key=lambda one: one[0])),
    )
    said = made != AS_DIALLED
    return Read(
        delivery=msgspec.structs.replace(made, origins=(sidecar.origin(),)) if said else AS_DIALLED,
        http=frozenset(number for number, requests in apps.items() if requests),
        opaque=frozenset(number for number, requests in apps.items() if not requests),
        problems=tuple(problems),
    )


def _entry(listener: IngressListener) -> EntryPort:
    port = listener.port
    assert port is not None  # noqa: S101 - the caller looked
    return EntryPort(number=port.number, name=port.name, protocol=port.protocol)


def _mistakes(sidecar: Sidecar, listener: IngressListener, at: str, before: frozenset[int]) -> Iterator[Problem]:
    def problem(path: str, code: str, text: str) -> Problem:
        return Problem(at=sidecar.origin(f"{at}.{path}"), code=code, text=f"{text}: the listener is left out")

    port = listener.port
    if port is None or not 0 < port.number < 1 << 16:
        yield problem("port.number", "InvalidValue", "name the port at which the pod is called")
    elif port.number in before:
        yield problem("port.number", "InvalidValue", f"port {port.number} has a listener before this one")
    elif port.protocol and not is_known(port.protocol):
        yield problem("port.protocol", "UnsupportedValue", f"{port.protocol!r} is no protocol that is known")
    if listener.bind not in _EVERYWHERE:
        yield problem("bind", "UnsupportedField", "a pod is called at its own addresses")
    if listener.tls is not None:
        yield problem("tls", "UnsupportedField", "TLS of the mesh is what ends here; other TLS is the application's")
    endpoint = listener.default_endpoint
    found = _ENDPOINT.fullmatch(endpoint)
    if endpoint.startswith("unix:"):
        yield problem("defaultEndpoint", "UnsupportedValue", "sockets of the file system are not reached")
    elif endpoint and (found is None or not 0 < int(found["port"]) < 1 << 16):
        text = f"{endpoint!r} is neither 127.0.0.1:PORT nor 0.0.0.0:PORT, nor [::1]:PORT or [::]:PORT"
        yield problem("defaultEndpoint", "InvalidValue", text)


def _room(sidecar: Sidecar, pool: ConnectionPool, at: str, problems: list[Problem]) -> Room:
    """What of it can be read holds."""

    def wrong(path: str, code: str, text: str) -> None:
        problems.append(Problem(at=sidecar.origin(path), code=code, text=text))

    found = {_NAMES.get(name, name): value for name, value in read_pool(pool, at, wrong).items()}
    return msgspec.structs.replace(AS_MANY, **found)
