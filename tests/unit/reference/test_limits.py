"""Which limits count a request, by the objects alone."""

from __future__ import annotations

from builders import pod, service
from meshworlds import httproute, limit_at, ratelimit
from tandem.base.problems import Origin
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.limits import counted_at_pod, counted_at_route

WEB = service("web", ports=[{"name": "http", "port": 80, "targetPort": "web"}])
POD = pod("a", app="web", ports={"web": 8080})
RULES = [{"name": "one"}, {"name": "two"}]
RULE = Origin(kind="HTTPRoute", namespace="default", name="hr", path="spec.rules[1]")


def at_route(*objects: Object, path: str = "/", **headers: str) -> list[tuple[str, str, bool]]:
    found = World.of([httproute("hr", rules=RULES), *objects])
    return [(c.rule.name, c.text, c.staged) for c in counted_at_route(found, RULE, "GET", path, headers)]


def at_pod(*objects: Object, port: int = 8080) -> list[str]:
    found = World.of([WEB, POD, *objects])
    return [c.rule.name for c in counted_at_pod(found, POD, port, "GET", "/", {})]


def test_a_rule_is_counted_by_what_the_route_has_and_by_its_own() -> None:
    limits = [ratelimit(limit_at("HTTPRoute", "hr", section), name=section or "all") for section in ("", "one", "two")]
    assert [name for name, _, _ in at_route(*limits)] == ["all", "two"]


def test_the_older_of_two_has_the_target_and_a_staged_one_stands_beside_it() -> None:
    ref = limit_at("HTTPRoute", "hr")
    old, young = (ratelimit(ref, name=n, created=f"2026-01-0{i}T00:00:00Z") for i, n in enumerate(("z", "a"), 1))
    staged = ratelimit(ref, name="trial", staged=True)
    assert [(name, trial) for name, _, trial in at_route(young, old, staged)] == [("trial", True), ("z", False)]


def test_only_matching_requests_are_counted() -> None:
    matches = [{"path": {"value": "/a"}, "headers": [{"name": "x", "value": "1"}]}, {"method": "POST"}]
    limit = ratelimit(limit_at("HTTPRoute", "hr"), limits=[{"requests": 1, "unit": "Hour", "matches": matches}])
    assert len(at_route(limit, path="/a/b?c", x="1")) == 1
    assert at_route(limit, path="/ab", x="1") == at_route(limit, path="/a") == []


def test_it_says_how_many_for_whom_and_where() -> None:
    rule = {"requests": 5, "unit": "Second", "burst": 9, "by": [{"type": "Header", "name": "x"}, {"type": "Path"}]}
    ((_, text, _),) = at_route(ratelimit(limit_at("HTTPRoute", "hr"), limits=[rule]))
    assert (
        text == "5 in each second, 9 at once, for each Header x and Path, for HTTPRoute hr, on each node with clients"
    )


def test_a_pod_counts_at_the_ports_of_the_service() -> None:
    limit = ratelimit(limit_at("Service", "web"))
    assert at_pod(limit) == ["few"]
    assert at_pod(limit, port=9090) == at_pod(ratelimit(limit_at("Service", "other"))) == []


def test_what_is_refused_at_a_target_counts_nothing_there() -> None:
    by = [{"type": "Claim", "name": "sub"}]
    assert at_route(ratelimit(limit_at("HTTPRoute", "hr"), limits=[{"requests": 1, "unit": "Hour", "by": by}])) == []


def test_other_origins_are_counted_by_nobody() -> None:
    found = World.of([ratelimit(limit_at("HTTPRoute", "hr"))])
    for rule in (RULE, Origin(kind="VirtualService", namespace="default", name="hr", path="spec.rules[0]")):
        assert counted_at_route(found, rule, "GET", "/", {}) == ()


def test_a_counter_counts_for_all() -> None:
    ref = {"name": "counter", "namespace": "limits", "port": 8081}
    ((_, text, _),) = at_route(ratelimit(limit_at("HTTPRoute", "hr"), counter={"backendRef": ref}))
    assert text.endswith("for HTTPRoute hr, by Service limits/counter for all proxies together")
