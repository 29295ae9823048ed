"""Where in the IR limits stand: at routes of the mesh and of gateways."""

from __future__ import annotations

from builders import service
from gatewayworlds import at, gateway, gateway_class, https, listener, route, tls_secret, world
from meshworlds import httproute, limit_at, parent, ratelimit, vs
from tandem.ir.gateway import routes_of
from tandem.ir.mesh import MeshIR
from tandem.model.meta import Object
from tandem.translate.gateway.edge import Edge
from tandem.translate.limits.attached import limit_gateways, limit_tables
from tandem.translate.limits.found import NO_LIMITS
from tandem.translate.options import Options
from tandem.translate.world import Translation, translate_world

HTTP = [{"name": "http", "port": 80}]
WEB = service("web", ip="10.96.0.9", ports=HTTP)
TO = [{"name": "web", "port": 80}]
RULES = [
    {"name": "one", "matches": [{"path": {"value": "/one"}}, {"path": {"value": "/uno"}}], "backendRefs": TO},
    {"name": "two", "matches": [{"path": {"value": "/two"}}], "backendRefs": TO},
]


def translated(*objects: Object) -> Translation:
    return translate_world(world(*objects), Options())


def of_tables(found: Translation) -> dict[str, list[str]]:
    routes = (route for table in found.mesh.tables.values() for route in table.routes)
    return {route.name: [limit.name for limit in route.limits] for route in routes}


def test_a_route_is_counted_at_all_of_its_rules_and_a_rule_at_its_own() -> None:
    mesh = httproute("hr", parentRefs=[parent("web")], rules=RULES)
    limits = (
        ratelimit(limit_at("HTTPRoute", "hr"), name="whole"),
        ratelimit(limit_at("HTTPRoute", "hr", "two"), name="own"),
    )
    found = of_tables(translated(WEB, mesh, *limits))
    assert found == {
        "HTTPRoute/default/hr/0/0": ["default/whole/0"],
        "HTTPRoute/default/hr/0/1": ["default/whole/0"],
        "HTTPRoute/default/hr/1/0": ["default/whole/0", "default/own/0"],
        "HTTPRoute/default/hr/default/web/unmatched": [],
    }


def test_routes_of_others_are_not_counted() -> None:
    other = httproute("other", parentRefs=[parent("api")], rules=[{"backendRefs": TO}])
    api = service("api", ip="10.96.0.8", ports=HTTP)
    odd = vs("hr", hosts=["web"], http=[{"route": [{"destination": {"host": "web"}}]}])
    hr = httproute("hr", parentRefs=[parent("none")], rules=RULES)
    found = of_tables(translated(WEB, api, other, odd, hr, ratelimit(limit_at("HTTPRoute", "hr"))))
    assert set(map(tuple, found.values())) == {()}


def test_what_a_gateway_counts_comes_before_what_its_routes_count() -> None:
    edge = gateway("edge", listener(), https(hostname="shop.test"))
    both = route("hr", at(), host="shop.test")
    limits = (
        ratelimit(limit_at("Gateway", "edge"), name="whole"),
        ratelimit(limit_at("Gateway", "edge", "https"), name="listener"),
        ratelimit(limit_at("HTTPRoute", "hr"), name="route"),
    )
    found = translated(gateway_class(), edge, tls_secret(), both, *limits)
    routes = list(routes_of(found.edge.gateways["default/edge"]))
    assert [[limit.name for limit in route.limits] for route in routes] == [
        ["default/whole/0", "default/route/0"],
        ["default/whole/0", "default/listener/0", "default/route/0"],
    ]


def test_without_limits_everything_is_as_it_was() -> None:
    mesh, edge = MeshIR(tables={}, policies={}), Edge()
    assert limit_tables(mesh, NO_LIMITS) is mesh
    assert limit_gateways(edge, NO_LIMITS) is edge
