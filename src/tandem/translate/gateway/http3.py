"""The annotation `tandem.io/http3` of Gateways of both APIs -> which listeners take HTTP/3, with Problems. Pure.

It opens a port of UDP beside one of TCP, so nothing is offered unasked. An owner of a Gateway decides for the listeners
of its ListenerSets too, for the addresses are the Gateway's. Where HTTP/3 cannot be what HTTPS is, it is not offered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir import gateway as ir
from tandem.ir.tlsterms import TlsVersion
from tandem.model.annotations import ASKED, HTTP3, asks_http3, unknown_of
from tandem.model.meta import Object
from tandem.translate.balancers import POOL


def annotation_mistakes(gateway: Object) -> Iterator[Problem]:
    """What is wrong with our annotations of a Gateway: none of it counts, and nothing else is in doubt for it."""
    said = gateway.metadata.annotations.get(HTTP3, ASKED)
    if said != ASKED:
        text = f"{said!r} means nothing: the only value is {ASKED!r}, and HTTP/3 is not offered"
        yield _told(gateway, HTTP3, code="InvalidAnnotation", text=text)
    for name, text in unknown_of(gateway, (HTTP3, POOL)).items():
        yield _told(gateway, name, code="UnknownAnnotation", text=text)


def in_vain(gateway: Object) -> Iterator[Problem]:
    """What a Gateway is told that asks for HTTP/3 where nobody comes by HTTPS."""
    if asks_http3(gateway):
        text = "no listener of HTTPS can serve: HTTP/3 is offered nowhere"
        yield _told(gateway, HTTP3, code="NoEffect", text=text)


def offer(made: ir.Gateway, asking: Mapping[str, Object]) -> tuple[ir.Gateway, tuple[Problem, ...]]:
    """`made`, whose listeners take HTTP/3 where they can; `asking`: by the name of a listener, who wants it."""
    datagrams = {port.port for port in made.datagrams}
    problems: dict[Problem, None] = {}
    heard: set[str] = set()

    def offered(port: ir.GatewayPort, one: ir.GatewayListener) -> ir.GatewayListener:
        if one.name not in asking or not port.tls or one.sessions is not ir.Sessions.REQUESTS or not one.can_end:
            return one
        heard.add(str(asking[one.name].origin()))
        wrong = _taken(port, datagrams) or _beyond(one)
        if wrong:
            text = f"HTTP/3 is not offered at port {port.port}: {wrong}"
            problems[_told(asking[one.name], HTTP3, code="NotOffered", text=text)] = None
        return msgspec.structs.replace(one, http3=not wrong)

    ports = tuple(
        msgspec.structs.replace(port, listeners=tuple(offered(port, one) for one in port.listeners))
        for port in made.ports
    )
    for owner in asking.values():
        if str(owner.origin()) not in heard:
            problems |= dict.fromkeys(in_vain(owner))
    return msgspec.structs.replace(made, ports=ports), tuple(problems)


def _taken(port: ir.GatewayPort, datagrams: set[int]) -> str:
    return "a listener of UDP has the datagrams of that port" if port.port in datagrams else ""


def _beyond(listener: ir.GatewayListener) -> str:
    """Which of its terms of TLS do not go with QUIC."""
    if listener.terms.mesh is not None:
        return f"{listener.origin.path} shows the certificate of the mesh (ISTIO_MUTUAL), which QUIC cannot"
    if listener.terms.most is not None and listener.terms.most < TlsVersion.V1_3:
        return f"{listener.origin.path} ends before TLS 1.3, which is QUIC's only one"
    return ""


def _told(gateway: Object, annotation: str, *, code: str, text: str) -> Problem:
    at = gateway.origin(f"metadata.annotations[{annotation}]")
    return Problem(at=at, code=code, text=text, severity=Severity.WARNING)
