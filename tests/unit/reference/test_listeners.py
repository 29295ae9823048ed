"""Which listener takes a request or a connection."""

from __future__ import annotations

from typing import Any, cast

import pytest

from builders import namespace
from gatewayworlds import API, gateway, gateway_class, https, listener, tls_secret
from tandem.model.gateways import Gateway
from tandem.model.listenersets import ListenerSet
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.reference.listeners import Taken, listeners_of, take

PASS = listener("pass", 443, "TLS", hostname="raw.test", tls={"mode": "Passthrough"})


def listener_set(name: str, *listeners: dict[str, Any], ns: str = "default", created: str = "") -> ListenerSet:
    meta = {"name": name, "namespace": ns, **({"creationTimestamp": created} if created else {})}
    spec = {"parentRef": {"name": "edge", "namespace": "default"}, "listeners": list(listeners)}
    return cast("ListenerSet", parse({"apiVersion": API, "kind": "ListenerSet", "metadata": meta, "spec": spec}))


def world(edge: Gateway, *objects: Object) -> World:
    return World.of([namespace("default"), gateway_class(), tls_secret(), edge, *objects])


def taken(
    edge: Gateway, port: int = 80, *objects: Object, sni: str = "", host: str = "", protocol: str = "TCP"
) -> Taken:
    return take(world(edge, *objects), edge, port, sni=sni or host, host=host, protocol=protocol)


def name(found: Taken) -> str:
    return found.listener.listener.name if found.listener is not None else ""


@pytest.mark.parametrize(
    ("protocol", "takes"), [("TCP", ["", "raw", ""]), ("UDP", ["names", "again", ""]), ("SCTP", ["", "", ""])]
)
def test_connections_and_datagrams_of_one_port_are_taken_by_different_listeners(
    protocol: str, takes: list[str]
) -> None:
    edge = gateway("edge", listener("names", 53, "UDP"), listener("again", 54, "UDP"), listener("raw", 54, "TCP"))
    assert [name(taken(edge, port, protocol=protocol)) for port in (53, 54, 55)] == takes


@pytest.mark.parametrize(("notes", "takes"), [({}, ""), ({"tandem.io/http3": "true"}, "https")])
def test_datagrams_are_for_what_takes_http3_where_no_listener_of_udp_is(notes: dict[str, str], takes: str) -> None:
    assert name(taken(gateway("edge", https(), notes=notes), 443, host="a.test", protocol="UDP")) == takes


@pytest.mark.parametrize(
    ("notes", "more", "spoken"),
    [
        ({}, (), "HTTPS, *"),
        ({"tandem.io/http3": "yes"}, (), "HTTPS, *"),
        ({"tandem.io/http3": "true"}, (), "HTTPS and HTTP/3, *"),
        ({"tandem.io/http3": "true"}, (listener("names", 443, "UDP"),), "HTTPS, *"),
    ],
)
def test_a_listener_that_takes_http3_says_so(
    notes: dict[str, str], more: tuple[dict[str, Any], ...], spoken: str
) -> None:
    found = taken(gateway("edge", https(), *more, notes=notes), 443, host="a.test")
    assert [step.text for step in found.steps] == [f"listener https ({spoken}) takes the name 'a.test' in TLS"]


@pytest.mark.parametrize(
    ("host", "wanted"),
    [("a.test", "exact"), ("b.a.test", "wild"), ("c.b.a.test", "wild"), ("x.b.a.test", "wild"), ("else.org", "every")],
)
def test_the_most_specific_host_takes_the_request(host: str, wanted: str) -> None:
    edge = gateway(
        "edge", listener("every"), listener("exact", hostname="a.test"), listener("wild", hostname="*.a.test")
    )
    assert name(taken(edge, host=host)) == wanted


def test_without_a_listener_for_the_host_it_is_404() -> None:
    found = taken(gateway("edge", listener("exact", hostname="a.test")), host="b.test")
    assert (found.listener, found.status) == (None, 404)


def test_the_name_in_tls_chooses_and_the_host_must_be_of_the_same_listener() -> None:
    edge = gateway("edge", https("one", hostname="a.test"), https("wild", hostname="*.test"), PASS)
    assert name(taken(edge, 443, host="a.test")) == "one"
    assert name(taken(edge, 443, sni="b.test", host="c.test")) == "wild"
    assert taken(edge, 443, sni="b.test", host="a.test").status == 421
    assert taken(edge, 443, sni="b.test", host="else.org").status == 404
    assert name(taken(edge, 443, sni="raw.test", host="whatever")) == "pass"
    nobody = taken(edge, 443, sni="else.org", host="a.test")
    assert (nobody.listener, nobody.status) == (None, 0)


def test_what_has_no_certificate_takes_no_connection() -> None:
    edge = gateway("edge", https("one", of="none", hostname="a.test"), https("wild", hostname="*.test"))
    found = taken(edge, 443, host="a.test")
    assert (found.listener, found.status) == (None, 421)


def test_those_that_cannot_be_told_apart_are_not_served() -> None:
    edge = gateway("edge", listener("one"), listener("two"), listener("raw", 80, "TCP"), listener("other", 81))
    assert [found.listener.name for found in listeners_of(world(edge), edge)] == ["other"]


def test_sets_that_the_gateway_takes_come_after_it_the_oldest_first() -> None:
    edge = gateway("edge", listener("own"), allowedListeners={"namespaces": {"from": "Same"}})
    sets = (
        listener_set("a", listener("young", hostname="a.test"), created="2026-01-02T00:00:00Z"),
        listener_set("b", listener("old", hostname="a.test"), listener("own"), created="2026-01-01T00:00:00Z"),
        listener_set("c", listener("foreign", hostname="c.test"), ns="other"),
    )
    found = listeners_of(world(edge, *sets), edge)
    assert [(one.holder.metadata.name, one.listener.name) for one in found] == [("edge", "own"), ("b", "old")]
