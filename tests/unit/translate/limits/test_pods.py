"""What is counted at a pod, and at which of its ports."""

from __future__ import annotations

from builders import namespace, pod, service
from meshworlds import limit_at, ratelimit
from tandem.ir.limits import RateLimit
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.options import Options
from tandem.translate.world import Translation, translate_world

PORTS = [
    {"name": "http", "port": 80, "targetPort": "web"},
    {"name": "http-admin", "port": 81, "targetPort": 9090},
    {"name": "mysql", "port": 3306},
]
WEB = service("web", ports=PORTS)
IN = {"tandem.io/mesh": "enabled"}
POD = pod("a", app="web", ports={"web": 8080}, labels=IN)


def translated(*objects: Object) -> Translation:
    return translate_world(World.of([namespace("default"), WEB, *objects]), Options())


def limits(found: Translation) -> list[tuple[str, tuple[int, ...]]]:
    counted: tuple[RateLimit, ...] = found.pods["uid-default-a"].limits
    return [(limit.name, limit.ports) for limit in counted]


def test_a_pod_counts_at_the_ports_behind_those_of_http_of_the_service() -> None:
    assert limits(translated(POD, ratelimit(limit_at("Service", "web")))) == [("default/few/0", (8080, 9090))]
    assert limits(translated(POD, ratelimit(limit_at("Service", "web", "http")))) == [("default/few/0", (8080,))]


def test_of_each_service_that_selects_it_what_is_counted_there() -> None:
    other = service("also", selector={"app": "web"}, ports=[{"port": 7000}])
    both = (ratelimit(limit_at("Service", "web"), name="b"), ratelimit(limit_at("Service", "also"), name="a"))
    found = translated(POD, other, *both)
    assert limits(found) == [("default/a/0", (7000,)), ("default/b/0", (8080, 9090))]
    assert 7000 in found.pods["uid-default-a"].plain_http_ports


def test_a_pod_outside_the_mesh_counts_nothing_and_the_limit_is_told() -> None:
    found = translated(pod("a", app="web", ports={"web": 8080}), ratelimit(limit_at("Service", "web", "http")))
    assert limits(found) == []
    (problem,) = (p for p in found.problems if p.at.kind == "RateLimit")
    assert (problem.code, problem.severity.value, problem.at.path) == ("NotInMesh", "warning", "spec.targetRefs[0]")


def test_a_port_that_the_pod_does_not_offer_is_not_counted() -> None:
    bare = pod("a", app="web", labels=IN)
    assert limits(translated(bare, ratelimit(limit_at("Service", "web", "http")))) == []
