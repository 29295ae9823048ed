"""Routes of two kinds at one Service: a port has one kind (GEP-1294)."""

from __future__ import annotations

from builders import service
from linkerdworlds import route as linkerd_route
from linkerdworlds import with_notes
from meshworlds import grpcroute, httproute, parent
from tandem.ir.mesh import Forward
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh.context import Context, Layers
from tandem.translate.mesh.grpcroute import accept_grpcroutes
from tandem.translate.mesh.httproute import accept_httproutes
from tandem.translate.mesh.layers import build_layers
from tandem.translate.options import Options

PORTS = [{"name": "http", "port": 80}, {"name": "grpc", "port": 70}, {"name": "tcp", "port": 90}]
RULES = [{"backendRefs": [{"name": "web", "port": 80}]}]


def run(*routes: Object) -> Layers:
    world = World.of([service("web", ports=PORTS), *routes])
    context = Context(world=world, options=Options(), policies={})
    return build_layers(context, accept_grpcroutes(context)[0], accept_httproutes(context)[0])


def ports(found: Layers) -> list[tuple[str, tuple[int, ...]]]:
    return [(r.origin.kind, r.matches[0].ports) for layer in found.layers for r in layer.routes]


def codes(found: Layers) -> list[tuple[str, str, str]]:
    return [(p.severity.value, p.code, p.at.path) for p in found.problems]


def test_an_http_route_keeps_the_ports_that_no_grpc_route_names() -> None:
    found = run(
        grpcroute(parentRefs=[parent("web", port=70)], rules=RULES), httproute(parentRefs=[parent("web")], rules=RULES)
    )
    assert ports(found) == [("GRPCRoute", (70,)), ("HTTPRoute", (80,))]
    assert codes(found) == [("warning", "Shadowed", "spec.parentRefs[0]")]
    assert {s.ports for s in found.layers[0].scopes} == {(70,), (80,)}


def test_a_parent_without_a_port_left_is_conflicted_and_the_others_are_not() -> None:
    found = run(
        grpcroute(parentRefs=[parent("web", port=70)], rules=RULES),
        httproute(parentRefs=[parent("web", port=70), parent("web", port=80)], rules=RULES),
    )
    assert ports(found) == [("GRPCRoute", (70,)), ("HTTPRoute", (80,))]
    assert codes(found) == [("error", "Conflicted", "spec.parentRefs[0]")]


def test_a_grpc_route_without_a_port_has_all_of_them() -> None:
    found = run(
        grpcroute(parentRefs=[parent("web")], rules=RULES), httproute(parentRefs=[parent("web", port=80)], rules=RULES)
    )
    assert ports(found) == [("GRPCRoute", ())]
    assert codes(found) == [("error", "Conflicted", "spec.parentRefs[0]")]


def test_routes_of_consumers_and_producers_do_not_meet() -> None:
    far = parent("web", namespace="default")
    found = run(grpcroute(parentRefs=[parent("web")], rules=RULES), httproute(ns="shop", parentRefs=[far], rules=RULES))
    assert [(layer.consumer, len(layer.routes)) for layer in found.layers] == [("", 1), ("shop", 1)]
    assert codes(found) == []


def test_a_refused_grpc_route_takes_nothing() -> None:
    bad = [{**RULES[0], "filters": [{"type": "ExtensionRef", "extensionRef": {}}]}]
    found = run(grpcroute(parentRefs=[parent("web")], rules=bad), httproute(parentRefs=[parent("web")], rules=RULES))
    assert ports(found) == [("HTTPRoute", ())]


def test_annotations_of_linkerd_are_fields_of_every_rule() -> None:
    route = httproute(parentRefs=[parent("web")], rules=RULES)
    notes = {"retry.linkerd.io/grpc": "internal", "timeout.linkerd.io/request": "1s", "example.org/x": "1"}
    noted = with_notes(route, notes)
    context = Context(world=World.of([service("web", ports=PORTS), noted]), options=Options(), policies={})
    accepted, problems = accept_httproutes(context)
    assert [r.timeout_ms for one in accepted for _, r in one.routes] == [1000]
    assert [(p.severity.value, p.code, p.at.path) for p in problems] == [
        ("warning", "AnnotationIgnored", "metadata.annotations[retry.linkerd.io/grpc]"),
    ]


def test_an_annotation_that_cannot_be_read_refuses_the_route() -> None:
    route = httproute(parentRefs=[parent("web")], rules=RULES)
    notes = {"timeout.linkerd.io/request": "1"}
    noted = with_notes(route, notes)
    context = Context(world=World.of([service("web", ports=PORTS), noted]), options=Options(), policies={})
    accepted, (problem,) = accept_httproutes(context)
    assert (accepted, problem.code, problem.severity.value) == ([], "InvalidValue", "error")


def test_a_route_of_linkerds_without_backends_is_to_each_of_its_parents() -> None:
    both = [{"kind": "Service", "group": "", "name": name} for name in ("web", "more")]
    services = (service("web", ports=PORTS), service("more", ports=PORTS))
    found = World.of([*services, linkerd_route(parentRefs=both)])
    accepted, problems = accept_httproutes(Context(world=found, options=Options(), policies={}))
    assert problems == []
    actions = [(one.attachment.service[1], r.action) for one in accepted for _, r in one.routes]
    sent = [(name, [b.service for b in a.backends]) for name, a in actions if isinstance(a, Forward)]
    assert sent == [("web", ["web"]), ("more", ["more"])]
