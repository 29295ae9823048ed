"""Which listeners take HTTP/3, and what is told where it was asked for in vain."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gatewaybuild import gateway as gateway_in_ir
from gatewaybuild import listener as in_ir
from gatewaybuild import port as port_in_ir
from gatewayworlds import (
    Raw,
    allowing,
    edge,
    gateway,
    https,
    listener,
    listenerset,
    passthrough,
    terminate,
    tls_secret,
    udproute,
    written,
)
from tandem.ir.tlsterms import TlsTerms, TlsVersion
from tandem.ir.trust import Domains
from tandem.model.annotations import HTTP3
from tandem.model.meta import Object
from tandem.translate.gateway.edge import Edge
from tandem.translate.gateway.http3 import offer

NOTES = {HTTP3: "true"}
AT = f"metadata.annotations[{HTTP3}]"


def taking(found: Edge) -> list[tuple[int, str]]:
    """Port and name of the listeners that do."""
    ports = found.gateways["default/edge"].ports
    return [(port.port, one.name) for port in ports for one in port.listeners if one.http3]


def told(found: Edge) -> list[tuple[str, str]]:
    return [(p.code, p.text) for p in found.problems if p.at.path.startswith("metadata")]


def of(*listeners: Raw, notes: dict[str, str] = NOTES, more: tuple[Object, ...] = (), **spec: Any) -> Edge:
    return edge(gateway("edge", *listeners, notes=notes, **spec), tls_secret(), *more)


def test_nothing_is_offered_unasked() -> None:
    found = of(https(), notes={})
    assert (taking(found), told(found)) == ([], [])


def test_every_listener_of_https_that_can_serve_takes_it_and_no_other() -> None:
    found = of(
        listener(),
        https(),
        https("sure", hostname="sure.test"),
        https("bare", of="gone", hostname="bare.test"),
        passthrough(hostname="pass.test"),
        terminate(hostname="end.test"),
        https("elsewhere", port=8443),
        listener("raw", 9000, "TCP"),
    )
    assert taking(found) == [(443, "https"), (443, "sure"), (8443, "elsewhere")]
    assert told(found) == []


def test_listeners_of_sets_follow_the_gateway() -> None:
    found = of(listener(), more=(listenerset("more", https()),), **allowing("Same"))
    assert taking(found) == [(443, "default/more/https")]


def test_a_listener_of_udp_keeps_the_datagrams_of_its_port() -> None:
    found = of(https(), https("free", port=8443), listener("names", 443, "UDP"), more=(udproute(),))
    assert taking(found) == [(8443, "free")]
    text = "HTTP/3 is not offered at port 443: a listener of UDP has the datagrams of that port"
    assert told(found) == [("NotOffered", text)]


@pytest.mark.parametrize("listeners", [(listener(),), (listener(), https(of="gone"))])
def test_where_no_listener_can_take_it_that_is_told(listeners: tuple[Raw, ...]) -> None:
    assert told(of(*listeners)) == [("NoEffect", "no listener of HTTPS can serve: HTTP/3 is offered nowhere")]


@pytest.mark.parametrize(
    ("notes", "code", "text"),
    [
        (
            {HTTP3: "yes"},
            "InvalidAnnotation",
            "'yes' means nothing: the only value is 'true', and HTTP/3 is not offered",
        ),
        (
            {"tandem.io/http-3": "true"},
            "UnknownAnnotation",
            "no Gateway has this annotation (did you mean tandem.io/http3?)",
        ),
    ],
)
def test_an_annotation_that_means_nothing_is_told_and_the_gateway_serves(
    notes: dict[str, str], code: str, text: str
) -> None:
    found = of(https(), notes=notes)
    assert (taking(found), told(found)) == ([], [(code, text)])
    (condition, *_) = written(gateway("edge", https(), notes=notes), tls_secret())["Gateway", "edge"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Accepted", "True")
    assert text in condition["message"]


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        (
            TlsTerms(mesh=Domains(own="cluster.local")),
            " shows the certificate of the mesh (ISTIO_MUTUAL), which QUIC cannot",
        ),
        (TlsTerms(most=TlsVersion.V1_2), " ends before TLS 1.3, which is QUIC's only one"),
        (TlsTerms(most=TlsVersion.V1_3), ""),
    ],
)
def test_terms_of_tls_that_do_not_go_with_quic_are_told(terms: TlsTerms, why: str) -> None:
    one = msgspec.structs.replace(in_ir("l", "*", certificates=("edge/cert/1",)), terms=terms)
    owner = gateway("edge", https(), notes=NOTES)
    made, problems = offer(gateway_in_ir(port_in_ir(one, number=443, tls=True)), {"l": owner})
    assert made.ports[0].http3 is (not why)
    assert [(p.at.path, p.text.partition(": ")[2]) for p in problems] == ([(AT, why)] if why else [])
