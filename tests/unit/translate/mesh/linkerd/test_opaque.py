"""Which ports of Services are bytes by profiles and by the Servers of the pods behind."""

from __future__ import annotations

from typing import Any

from builders import pod, service
from linkerdworlds import profile, server
from tandem.ir.fabric import AppProtocol
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh.linkerd.opaque import Opaque, read_opaque
from tandem.translate.options import Options
from tandem.translate.world import translate_world

DB = service("db", ports=[{"name": "sql", "port": 5000, "targetPort": 9000}, {"name": "more", "port": 5001}])
BEHIND = pod("db-0", ports={"sql": 9000, "named": 5001}, labels={"app": "db"})
OPAQUE: dict[str, Any] = {"port": 9000, "proxyProtocol": "opaque"}


def read(*objects: Object) -> Opaque:
    return read_opaque(World.of([DB, BEHIND, *objects]), "cluster.local")


def test_a_server_of_bytes_is_about_the_ports_of_services_that_lead_there() -> None:
    assert read(server(**OPAQUE)) == {"default/db": {5000}}
    assert read(server(port="named", proxyProtocol="TLS")) == {"default/db": {5001}}
    assert read(server(port=9000)) == read(server(port=9001, proxyProtocol="opaque")) == {}
    assert read(server(**OPAQUE, ns="other")) == {}
    assert read(server(**{**OPAQUE, "podSelector": {"matchLabels": {"app": "web"}}})) == {}


def test_of_two_servers_at_a_port_the_older_one_counts() -> None:
    old = server("old", created="2026-01-01T00:00:00Z", port=9000, proxyProtocol="HTTP/1")
    assert read(server("new", created="2026-02-01T00:00:00Z", **OPAQUE), old) == {}


def test_a_profile_beside_its_service_names_ports_and_ranges() -> None:
    assert read(profile("db", opaquePorts=["5000"])) == {"default/db": {5000}}
    assert read(profile("db", opaquePorts=["4000-6000", "x"])) == {"default/db": {5000, 5001}}
    assert read(profile("db", opaquePorts=["5000"], ns="shop")) == {}
    assert read(profile("gone", opaquePorts=["5000"])) == {}


def test_nobody_looks_there_though_the_profile_has_routes() -> None:
    """They would make the Service's only port one of requests."""
    web = service("web", ports=[{"port": 80, "targetPort": 8080}])
    behind = pod("web-0", labels={"app": "web", "tandem.io/mesh": "enabled"})
    opaque = profile("web", opaquePorts=["80"])
    for said, app in ((profile("web"), AppProtocol.HTTP), (opaque, AppProtocol.TCP)):
        found = translate_world(World.of([web, behind, said]), Options())
        assert found.services["default/web"].ports[0].app is app
        (local,) = found.pods.values()
        assert (local.plain_http_ports, local.detected_ports) == ((8080,) if app.is_http else (), ())
