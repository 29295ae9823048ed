"""Canaries over the routes of gateways, and Canaries that requests go past."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from gatewayworlds import at, gateway, https, listener, route, tcproute, tls_secret, world
from meshworlds import canary, dr, vs
from meshworlds import to as bound_for
from tandem.ir.gateway import Gateway, connections_of, routes_of
from tandem.ir.mesh import Forward
from tandem.model.meta import Object
from tandem.translate.canaries import canaries_of, of_connections
from tandem.translate.options import Options
from tandem.translate.world import Translation, translate_world

HTTP = [{"name": "http", "port": 80}]
VERSIONS = tuple(service(name, ip=f"10.96.0.{i}", ports=HTTP) for i, name in enumerate(("web-v1", "web-v2", "api"), 2))
BETA: list[dict[str, Any]] = [{"headers": [{"name": "X-Group", "value": "beta"}]}]


def translated(*objects: Object) -> Translation:
    return translate_world(world(*VERSIONS, *objects), Options())


def edge(found: Translation) -> Gateway:
    return found.edge.gateways["default/edge"]


def shares(found: Translation) -> list[dict[str, int]]:
    """Of each route of the gateway: version and port -> weight."""
    return [
        {f"{b.service}/{b.subset}:{b.port}": b.weight for b in r.action.backends}
        for r in routes_of(edge(found))
        if isinstance(r.action, Forward)
    ]


def to(*backends: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"backendRefs": [{"name": name, "port": 80, "weight": weight} for name, weight in backends]}]


def codes(found: Translation) -> list[str]:
    return [p.code for p in found.problems if p.at.kind == "Canary"]


@pytest.mark.parametrize(
    ("weight", "wanted"), [(0, {"web-v1/:80": 1}), (20, {"web-v1/:80": 4, "web-v2/:80": 1}), (100, {"web-v2/:80": 1})]
)
def test_what_a_gateway_sends_to_the_service_is_divided_at_every_listener(weight: int, wanted: dict[str, int]) -> None:
    both = gateway("edge", listener(), https(hostname="shop.test"))
    found = translated(both, tls_secret(), route(host="shop.test"), canary(status={"weight": weight}))
    assert shares(found) == [wanted, wanted]
    assert canaries_of(found.edge) == {("default", "web")}
    assert codes(found) == []


def test_other_backends_keep_their_part_and_other_services_are_left_alone() -> None:
    mixed = route("mixed", host="a.test", rules=to(("web", 75), ("api", 25)))
    other = route("other", host="b.test", rules=to(("api", 1)))
    found = translated(gateway(), mixed, other, canary(status={"weight": 20}))
    assert shares(found) == [{"web-v1/:80": 12, "web-v2/:80": 3, "api/:80": 5}, {"api/:80": 1}]


def test_versions_may_be_subsets() -> None:
    subsets = dr(
        "web", host="web", subsets=[{"name": "v1", "labels": {"v": "1"}}, {"name": "v2", "labels": {"v": "2"}}]
    )
    half = canary(stable={"subset": "v1"}, canary={"subset": "v2"}, status={"weight": 50})
    assert shares(translated(gateway(), route(), subsets, half)) == [{"web/v1:80": 1, "web/v2:80": 1}]


def test_of_ab_the_requests_that_are_meant_come_first() -> None:
    found = translated(gateway(), route(), canary(match=BETA, status={"weight": 50}))
    assert shares(found) == [{"web-v1/:80": 1, "web-v2/:80": 1}, {"web-v1/:80": 1}]
    meant, other = routes_of(edge(found))
    assert [[h.name for h in m.headers] for m in meant.matches] == [["x-group"]]
    assert meant.name != other.name
    assert not any(m.headers for m in other.matches)


def test_ports_of_versions_are_parsed_as_http_as_the_service_s_own_are() -> None:
    """A port that a gateway names is HTTP, whatever it says of itself."""
    plain = [service(name, ip=f"10.96.1.{i}", ports=[{"port": 80}]) for i, name in enumerate(("s", "s-v1", "s-v2"), 1)]
    found = translated(*plain, gateway(), route(rules=to(("s", 1))), canary("s", status={"weight": 20}))
    assert {found.services[f"default/{name}"].ports[0].app.is_http for name in ("s-v1", "s-v2")} == {True}


def test_without_canaries_gateways_are_what_they_were() -> None:
    found = translated(gateway(), route())
    assert shares(found) == [{"web/:80": 1}]
    assert canaries_of(found.edge) == frozenset()


ELSEWHERE = vs(hosts=["web"], http=[{"route": [bound_for("api")]}])


@pytest.mark.parametrize(
    ("objects", "told"),
    [
        ((ELSEWHERE,), ["NotRouted"]),
        ((ELSEWHERE, gateway(), route()), []),
        ((ELSEWHERE, gateway(), route(rules=to(("web-v2", 1)))), ["NotRouted", "Bypassed"]),
        ((gateway(), route(rules=to(("web-v2", 1)))), ["Bypassed"]),
        ((vs(hosts=["api"], http=[{"route": [bound_for("web-v1")]}]),), ["Bypassed"]),
        ((), []),
    ],
)
def test_whose_requests_go_past_or_never_come_is_told(objects: tuple[Object, ...], told: list[str]) -> None:
    assert codes(translated(*objects, canary())) == told


def bytes_of(name: str) -> Object:
    return service(name, ip=f"10.96.3.{len(name)}", ports=[{"name": "mysql", "port": 3306}])


def test_connections_of_a_gateway_are_divided_too() -> None:
    databases = [bytes_of(name) for name in ("db", "db-v1", "database")]
    lines = gateway("edge", listener("db", port=3306, protocol="TCP"))
    route_ = tcproute("tr", at("edge"), rules=[{"backendRefs": [{"name": "db", "port": 3306}]}])
    versions: dict[str, Any] = {"stable": {"service": "db-v1"}, "canary": {"service": "database"}}
    found = translated(*databases, lines, route_, canary("db", service="db", status={"weight": 25}, **versions))
    (one,) = connections_of(edge(found))
    assert [(b.service, b.port, b.weight) for b in one.backends] == [("db-v1", 3306, 3), ("database", 3306, 1)]
    assert canaries_of(found.edge) == of_connections(found.mesh, found.edge) == {("default", "db")}
    assert codes(found) == []
