"""The whole from World to World; equality with `translate_world` is shown in tests/property/test_live.py."""

from __future__ import annotations

import ingressworlds as istio
from builders import namespace, node, pod, policy, service, world
from gatewayworlds import gateway, gateway_class, pool, route
from issuing import authority
from meshworlds import httproute, parent
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.live import Live
from tandem.translate.options import Options
from tandem.translate.world import translate_world
from tlsworlds import backend_tls, bundle
from working import calls_of

BASE = world(namespace("default"), node("node-1"), service("web"), policy("p"), pod("a", app="web"))


def test_what_does_not_depend_on_what_changed_is_the_very_same() -> None:
    live = Live(Options())
    before = live.translate(BASE)
    changed = pod("a", app="db")
    after = live.translate(BASE.with_changes("Pod", {changed.key: changed}, synced=True))
    assert after.pods is not before.pods
    for name in ("config", "nodes", "mesh", "services", "endpoints", "balancers"):
        assert getattr(after, name) is getattr(before, name), name
    assert after.policy.sets is before.policy.sets


def test_the_way_to_a_world_means_nothing() -> None:
    live = Live(Options())
    live.translate(BASE)
    live.translate(World(synced=True))
    assert live.translate(BASE) == translate_world(BASE, Options())


def test_gateways_with_tls_are_as_before_whatever_bundle_changes_that_they_do_not_use() -> None:
    objects = (gateway("edge"), route("hr"), backend_tls(), bundle(), bundle("other"), gateway_class())
    edge, live = World.of([*BASE.objects(), *objects]), Live(Options())
    before = live.translate(edge)
    assert before.edge.gateways["default/edge"].backend_tls
    other = bundle("other", authority("other").pem)
    after = live.translate(edge.with_changes("ConfigMap", {other.key: other}, synced=True))
    assert after.edge is before.edge
    used = bundle("roots", authority("other").pem)
    assert live.translate(edge.with_changes("ConfigMap", {used.key: used}, synced=True)).edge != before.edge


def test_istios_gateway_is_as_before_whatever_changes_that_it_does_not_use() -> None:
    objects = (
        istio.gateway("shop", istio.server(), istio.https("a.test")),
        istio.vs(),
        istio.secret(),
        pool("192.0.2.0/28"),
    )
    edge, live = World.of([*BASE.objects(), *objects]), Live(Options())
    before = live.translate(edge)
    for other in (pod("a", app="db"), istio.secret("other"), istio.secret("cert", ns="elsewhere")):
        after = live.translate(edge.with_changes(other.kind, {other.key: other}, synced=True))
        assert after.edge is before.edge, other.key
    mesh = istio.vs("mesh", hosts=("web",), at=("mesh",))
    after = live.translate(edge.with_changes("VirtualService", {mesh.key: mesh}, synced=True))
    assert after.edge.gateways == before.edge.gateways


def test_a_route_of_the_mesh_that_changes_has_no_other_read_again() -> None:
    def routed(i: int, path: str = "/") -> Object:
        rules = [{"matches": [{"path": {"value": path}}], "backendRefs": [{"name": f"s{i}", "port": 80}]}]
        return httproute(name=f"r{i}", parentRefs=[parent(f"s{i}")], rules=rules)

    def costs(count: int) -> tuple[int, int]:
        """Of all that many, and of one that changes."""
        found = world(*(service(f"s{i}") for i in range(count)), *(routed(i) for i in range(count)))
        live, other = Live(Options()), routed(3, "/other")
        whole = calls_of(lambda: live.translate(found))
        changed = found.with_changes("HTTPRoute", {other.key: other}, synced=True)
        return whole, calls_of(lambda: live.translate(changed))

    few, many = costs(50), costs(100)
    assert many[1] - few[1] < (many[0] - few[0]) / 3
