"""Which ports are bytes by Linkerd's objects, read off them."""

from __future__ import annotations

from builders import pod, service
from linkerdworlds import profile, server
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.consulchains import may_be_http
from tandem.reference.opaque import is_opaque

DB = service("db", ports=[{"name": "sql", "port": 5000, "targetPort": "sql"}, {"name": "more", "port": 5001}])
BEHIND = pod("db-0", ports={"sql": 9000}, labels={"app": "db"})


def opaque(*objects: Object) -> list[int]:
    world = World.of([DB, BEHIND, *objects])
    found = [port for port in (5000, 5001) if is_opaque(world, DB, port)]
    assert [port for port in (5000, 5001) if not may_be_http(world, "default", "db", port)] == found
    return found


def test_servers_say_it_of_the_ports_behind() -> None:
    assert opaque() == opaque(server(port=9000)) == []
    assert opaque(server(port=9000, proxyProtocol="opaque")) == [5000]
    assert opaque(server(port="sql", proxyProtocol="TLS")) == [5000]
    assert opaque(server(port=5001, proxyProtocol="opaque")) == [5001]


def test_profiles_say_it_of_the_service_beside_them() -> None:
    assert opaque(profile("db", opaquePorts=["5001-5002", "x-"])) == [5001]
    assert opaque(profile("db", opaquePorts=["5000"], ns="shop")) == []
