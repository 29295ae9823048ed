"""Routes of TLS and TCP."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from meshworlds import vs
from tandem.ir.mesh import Backend, BytesMatch
from tandem.model.istio import VirtualService
from tandem.model.world import World
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.istio.bytesroutes import BytesReader
from tandem.translate.mesh.istio.egressgateways import Through
from tandem.translate.mesh.istio.httproutes import RouteReader
from tandem.translate.options import Options

TO: list[dict[str, Any]] = [{"destination": {"host": "db", "port": {"number": 90}}}]


def reader(source: VirtualService) -> BytesReader:
    db = service("db", ports=[{"name": "tcp", "port": 90}, {"name": "more", "port": 91}])
    context = Context(world=World.of([db]), options=Options(), policies={})
    return BytesReader(source, RouteReader(source, context), Through(source, context))


def codes(**spec: Any) -> list[tuple[str, str]]:
    made = reader(vs(**{"hosts": ["db.default.svc.cluster.local"], **spec}))
    list(made.read())
    return [(p.at.path, p.code) for p in made.problems]


def test_every_field_of_a_match_is_read() -> None:
    match = {
        "destinationSubnets": ["10.0.0.1/8", "fd00::1"], "port": 90, "sourceLabels": {"a": "b"},
        "sourceNamespace": "shop", "gateways": ["mesh"],
    }  # fmt: skip
    source = vs(hosts=["a.com"], tcp=[{"match": [match], "route": TO}], tls=[
        {"match": [{"sniHosts": ["A.com"]}], "route": TO}
    ])  # fmt: skip
    tls, tcp = reader(source).read()
    assert tls.matches == (BytesMatch(server_names=("a.com",)),)
    assert tcp.matches == (
        BytesMatch(
            ports=(90,),
            source_namespace="shop",
            source_labels=(("a", "b"),),
            subnets=("10.0.0.0/8", "fd00::1/128"),
        ),
    )
    assert (tls.name, str(tcp.origin)) == ("VirtualService/default/vs/tls/0", "VirtualService default/vs spec.tcp[0]")


def test_weights_are_shares_and_what_does_not_exist_is_closed() -> None:
    route = [
        {"destination": {"host": "db", "port": {"number": 90}}, "weight": 3},
        {"destination": {"host": "gone"}, "weight": 1},
        {"destination": {"host": "db"}, "weight": 0},
    ]
    (found,) = reader(vs(hosts=["db"], tcp=[{"route": route}])).read()
    assert found.backends == (
        Backend(namespace="default", service="db", port=90, weight=3),
        Backend(namespace="default", service="gone!gone", weight=1),
    )


def test_matches_for_gateways_alone_are_left_out_and_so_are_their_routes() -> None:
    edge = {"gateways": ["edge"], "port": 90}
    both = {"match": [edge, {"port": 91}], "route": TO}
    (found,) = reader(vs(hosts=["db"], tcp=[{"match": [edge], "route": TO}, both])).read()
    assert [m.ports for m in found.matches] == [(91,)]


@pytest.mark.parametrize(
    ("spec", "path", "code"),
    [
        ({"tls": [{"route": TO}]}, "spec.tls[0].match", "InvalidValue"),
        ({"tls": [{"match": [{}], "route": TO}]}, "spec.tls[0].match[0].sniHosts", "InvalidValue"),
        (
            {"tls": [{"match": [{"sniHosts": ["other.com"]}], "route": TO}]},
            "spec.tls[0].match[0].sniHosts[0]",
            "InvalidValue",
        ),
        (
            {"tcp": [{"match": [{"sourceSubnet": "10.0.0.0/8"}], "route": TO}]},
            "spec.tcp[0].match[0].sourceSubnet",
            "UnsupportedField",
        ),
        (
            {"tcp": [{"match": [{"destinationSubnets": ["x"]}], "route": TO}]},
            "spec.tcp[0].match[0].destinationSubnets[0]",
            "InvalidValue",
        ),
        ({"tcp": [{}]}, "spec.tcp[0].route", "InvalidValue"),
    ],
)
def test_mistakes_are_named_at_their_field(spec: dict[str, Any], path: str, code: str) -> None:
    assert codes(**spec) == [(path, code)]
