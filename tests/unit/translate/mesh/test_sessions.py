"""Sessions that a TrafficPolicy keeps for every route to its Service."""

from __future__ import annotations

from typing import Any

from builders import service
from meshworlds import httproute, limit_at, parent, trafficpolicy
from tandem.ir.mesh import Session
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

HTTP = [{"name": "http", "port": 80}]
SERVICES = [service(name, ip=f"10.96.0.{i}", ports=HTTP) for i, name in enumerate(("web", "api"), 2)]
STICKY = trafficpolicy(limit_at("Service", "web"), sessionPersistence={"cookie": {"name": "cart"}})
CART = Session(cookie="cart")


def sessions(*objects: Object, table: str = "default/web") -> dict[str, Session | None]:
    mesh, _ = translate_mesh(World.of([*SERVICES, *objects]), Options())
    return {route.name: route.session for route in mesh.tables[table].routes} if table in mesh.tables else {}


def rule(*names: str, **more: Any) -> dict[str, Any]:
    return {"backendRefs": [{"name": name, "port": 80} for name in names], **more}


def test_a_service_without_routes_gets_one_that_keeps_them() -> None:
    assert sessions() == {}
    assert sessions(STICKY) == {"TrafficPolicy/default/spread": CART}


def test_routes_keep_them_unless_they_say_something_or_divide() -> None:
    own = {"sessionPersistence": {"type": "Header", "header": {"name": "x-mine"}}}
    rules = [rule("web"), rule("web", **own), rule("web", "api"), rule("api")]
    found = sessions(STICKY, httproute(parentRefs=[parent("web")], rules=rules))
    assert list(found.values())[:4] == [CART, Session(header="x-mine"), None, None]


def test_a_route_of_another_service_that_sends_there_keeps_them_too() -> None:
    found = sessions(STICKY, httproute(parentRefs=[parent("api")], rules=[rule("web")]), table="default/api")
    assert CART in found.values()
