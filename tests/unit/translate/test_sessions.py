"""Sessions that a TrafficPolicy keeps at gateways."""

from __future__ import annotations

from builders import service
from gatewayworlds import at, gateway, gateway_class, world
from meshworlds import httproute, limit_at, trafficpolicy
from tandem.ir.gateway import routes_of
from tandem.ir.mesh import Session
from tandem.model.meta import Object
from tandem.translate.options import Options
from tandem.translate.world import translate_world

WEB = service("web", ip="10.96.0.9", ports=[{"name": "http", "port": 80}])
ROUTE = httproute(parentRefs=[at("edge")], rules=[{"backendRefs": [{"name": "web", "port": 80}]}])


def sessions(*objects: Object) -> set[Session | None]:
    found = translate_world(world(WEB, gateway_class(), gateway("edge"), ROUTE, *objects), Options())
    return {r.session for r in routes_of(found.edge.gateways["default/edge"]) if r.name.startswith("HTTPRoute")}


def test_what_comes_in_keeps_the_sessions_of_the_service() -> None:
    assert sessions() == {None}
    header = {"type": "Header", "header": {"name": "x-cart"}}
    assert sessions(trafficpolicy(limit_at("Service", "web"), sessionPersistence=header)) == {Session(header="x-cart")}
