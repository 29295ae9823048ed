"""What a Sidecar says of what its pods are sent."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tandem.ir.delivery import AS_DIALLED, Arrival
from tandem.ir.traffic import Limits
from tandem.model.egress import Sidecar
from tandem.model.parse import parse
from tandem.translate.mesh.istio.delivery import Read, read_delivery


def read(**spec: Any) -> Read:
    meta = {"name": "own", "namespace": "shop"}
    raw = {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": meta, "spec": spec}
    return read_delivery(cast("Sidecar", parse(raw)))


def listener(endpoint: str = "", number: int = 80, protocol: str = "HTTP", **more: Any) -> dict[str, Any]:
    given = {"defaultEndpoint": endpoint} if endpoint else {}
    return {"port": {"number": number, "protocol": protocol, "name": "p"}, **given, **more}


@pytest.mark.parametrize(
    ("endpoint", "arrival"),
    [
        ("127.0.0.1:8080", Arrival(port=80, target=8080, loopback="127.0.0.1")),
        ("[::1]:80", Arrival(port=80, target=80, loopback="::1")),
        ("0.0.0.0:8080", Arrival(port=80, target=8080)),
        ("[::]:8080", Arrival(port=80, target=8080)),
        ("0.0.0.0:80", None),
        ("", None),
    ],
)
def test_the_application_is_where_the_endpoint_says(endpoint: str, arrival: Arrival | None) -> None:
    found = read(ingress=[listener(endpoint, captureMode="NONE", bind="0.0.0.0")])
    assert (found.delivery.arrivals, found.problems) == ((arrival,) if arrival else (), ())
    assert (found.delivery == AS_DIALLED) == (arrival is None)


def test_the_protocol_says_what_is_read_of_a_port() -> None:
    found = read(ingress=[listener(), listener(number=90, protocol="TCP"), listener(number=91, protocol="GRPC")])
    assert (found.http, found.opaque) == (frozenset({80, 91}), frozenset({90}))


def test_limits_of_a_port_take_the_place_of_those_of_the_whole() -> None:
    few = {"tcp": {"maxConnections": 7}}
    found = read(ingress=[listener(connectionPool={"tcp": {"maxConnections": 2}})], inboundConnectionPool=few)
    assert found.delivery.room.limits == Limits(connections=7)
    assert found.delivery.room_at(80).limits == Limits(connections=2)
    assert [str(o) for o in found.delivery.origins] == ["Sidecar shop/own"]


@pytest.mark.parametrize(
    ("one", "path", "code"),
    [
        ({"defaultEndpoint": "127.0.0.1:80"}, "port.number", "InvalidValue"),
        (listener("10.0.0.1:80"), "defaultEndpoint", "InvalidValue"),
        (listener("127.0.0.1:0"), "defaultEndpoint", "InvalidValue"),
        (listener("127.0.0.1:99999"), "defaultEndpoint", "InvalidValue"),
        (listener("unix:///run/app.sock"), "defaultEndpoint", "UnsupportedValue"),
        (listener(bind="192.0.2.1"), "bind", "UnsupportedField"),
        (listener(tls={"mode": "SIMPLE"}), "tls", "UnsupportedField"),
        (listener(protocol="SMTP"), "port.protocol", "UnsupportedValue"),
    ],
)
def test_a_listener_with_a_mistake_is_left_out(one: dict[str, Any], path: str, code: str) -> None:
    found = read(ingress=[one, listener("127.0.0.1:9000", number=9000)])
    assert [(p.at.path, p.code) for p in found.problems] == [(f"spec.ingress[0].{path}", code)]
    assert [arrival.port for arrival in found.delivery.arrivals] == [9000]


def test_a_port_has_one_listener() -> None:
    found = read(ingress=[listener("127.0.0.1:8080"), listener("127.0.0.1:9090")])
    assert [arrival.target for arrival in found.delivery.arrivals] == [8080]
    assert [p.at.path for p in found.problems] == ["spec.ingress[1].port.number"]


def test_what_is_wrong_with_limits_is_told_where_it_stands() -> None:
    bad = {"tcp": {"connectTimeout": "soon"}}
    found = read(inboundConnectionPool=bad, ingress=[listener(connectionPool=bad)])
    assert sorted(p.at.path for p in found.problems) == [
        "spec.inboundConnectionPool.tcp.connectTimeout",
        "spec.ingress[0].connectionPool.tcp.connectTimeout",
    ]
