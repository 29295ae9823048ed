"""TLSRoutes and TCPRoutes for a mesh with VirtualServices; tests/property/test_gatewayapi.py compares chains."""

from __future__ import annotations

from typing import Any

import pytest

from meshworlds import dr, vs
from tandem.model.meta import RawObject
from unit.translate.gatewayapi.test_write import to, told, web, write

DB = web("db", ports=[{"port": 80, "name": "http"}, {"port": 5432, "name": "tcp"}, {"port": 443, "name": "tls"}])


def named(*names: str, host: str = "db", **more: Any) -> dict[str, Any]:
    return {"match": [{"sniHosts": list(names), **more}], "route": [to(host)]}


def routes(objects: tuple[RawObject, ...]) -> list[tuple[str, Any, Any]]:
    """Kind, port and names of each."""
    return [
        (raw["kind"], raw["spec"]["parentRefs"][0].get("port"), raw["spec"].get("hostnames"))
        for raw in objects
        if raw["kind"] in {"TCPRoute", "TLSRoute"}
    ]


def test_a_port_of_bytes_has_a_tcproute_and_ports_of_http_none() -> None:
    made = write(DB, vs("v", hosts=["db"], tcp=[{"route": [to("db")]}]))
    assert told(made) == []
    assert routes(made.objects) == [("TCPRoute", 5432, None), ("TCPRoute", 443, None)]
    assert made.objects[0]["spec"]["rules"] == [{"backendRefs": [{"name": "db", "port": 5432, "weight": 1}]}]


def test_names_become_tlsroutes_in_their_order() -> None:
    tls = [named("a.db.test", port=443), named("a.db.test", "*.db.test", port=443)]
    made = write(DB, vs("v", hosts=["db"], tls=tls))
    assert told(made) == []
    assert routes(made.objects) == [("TLSRoute", 443, ["a.db.test"]), ("TLSRoute", 443, ["*.db.test"])]


def test_what_is_sent_to_another_namespace_needs_leave_for_its_kind() -> None:
    there = web("db", "other", ports=[{"port": 443, "name": "tls"}])
    host = "db.other.svc.cluster.local"
    route = vs("v", hosts=["db"], tls=[{**named("db", port=443), "route": [to(host)]}])
    made = write(DB, there, route)
    (leave,) = [raw for raw in made.objects if raw["kind"] == "ReferenceGrant"]
    assert leave["spec"]["from"] == [{"group": "gateway.networking.k8s.io", "kind": "TLSRoute", "namespace": "default"}]


def test_subsets_of_connections_are_services_too() -> None:
    rule = dr(host="db", subsets=[{"name": "v1", "labels": {"version": "v1"}}])
    made = write(DB, rule, vs("v", hosts=["db"], tcp=[{"match": [{"port": 5432}], "route": [to("db", subset="v1")]}]))
    assert [raw["kind"] for raw in made.objects] == ["Service", "TCPRoute"]
    assert made.objects[1]["spec"]["rules"][0]["backendRefs"][0]["name"] == "db-v1"


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"tls": [named("db", port=443)], "tcp": [{"route": [to("db")]}]}, "spec.tcp[0]"),
        ({"tcp": [{"match": [{"sourceNamespace": "x"}], "route": [to("db")]}]}, "spec.tcp[0].match"),
        ({"tcp": [{"match": [{"destinationSubnets": ["10.0.0.0/8"]}], "route": [to("db")]}]}, "spec.tcp[0].match"),
    ],
)
def test_what_has_no_form_is_told(spec: dict[str, Any], path: str) -> None:
    found = told(write(DB, vs("v", hosts=["db"], **spec)))
    assert set(found) == {f"NotCarried VirtualService {path}"}
