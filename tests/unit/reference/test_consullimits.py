"""Rate limits of Consul's ServiceDefaults, judged on the objects."""

from __future__ import annotations

from typing import Any

from builders import pod, service
from consulworlds import defaults
from tandem.model.world import World
from tandem.reference.authorization import Asked
from tandem.reference.consullimits import counted_by_defaults

POD = pod("web", labels={"app": "web"})
ROUTES = [{"pathExact": "/a", "requestsPerSecond": 1}, {"pathRegex": "/[ab]+", "requestsPerSecond": 2}]


def counted(path: str, port: int = 8080, **spec: Any) -> list[str]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "a", "port": 82}]
    source = defaults("web", rateLimits={"instanceLevel": {"requestsPerSecond": 9, "routes": ROUTES}}, **spec)
    world = World.of([service("web", selector={"app": "web"}, ports=ports), source])
    return [one.rule.path.rpartition(".")[2] for one in counted_by_defaults(world, POD, Asked(path=path, port=port))]


def test_the_first_route_counts_else_the_whole() -> None:
    assert counted("/a?q=1") == ["routes[0]"]
    assert counted("/ab") == ["routes[1]"]
    assert counted("/c") == ["instanceLevel"]


def test_requests_are_seen_at_ports_of_http() -> None:
    assert counted("/a", 82) == []
    assert counted("/a", 82, protocol="http") == ["routes[0]"]
