"""Whom a policy of Istio's security API selects."""

from __future__ import annotations

from typing import Any

from builders import pod, service
from meshworlds import authz
from tandem.model.core import Service
from tandem.model.world import World
from tandem.translate.mesh.istio.scoped import Scoped, Selectors, selectors_of
from working import calls_of


def selected(*services: Service, **spec: Any) -> tuple[Selectors | None, list[tuple[str, str]]]:
    told = list[tuple[str, str]]()
    return selectors_of(authz(**spec), World.of(services), lambda path, code, _: told.append((path, code))), told


WEB = service("web", selector={"app": "web"})


def test_a_selector_without_labels_is_everybody() -> None:
    assert selected() == (({},), [])
    assert selected(selector={}) == (({},), [])
    assert selected(selector={"matchLabels": {"a": "b"}}) == (({"a": "b"},), [])


def test_a_policy_of_a_service_is_for_the_pods_behind_it() -> None:
    ref = {"group": "", "kind": "Service", "name": "web"}
    assert selected(WEB, targetRefs=[ref]) == (({"app": "web"},), [])
    assert selected(WEB, targetRef=ref) == (({"app": "web"},), [])


def test_a_service_that_is_not_there_or_elsewhere_has_nobody() -> None:
    assert selected(targetRefs=[{"kind": "Service", "name": "web"}]) == (
        (),
        [("spec.targetRefs[0].name", "TargetNotFound")],
    )
    other = {"kind": "Service", "name": "web", "namespace": "other"}
    assert selected(WEB, targetRefs=[other]) == ((), [("spec.targetRefs[0].namespace", "RefNotPermitted")])


def test_a_policy_of_a_gateway_is_for_no_pod() -> None:
    gateway = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}
    klass = {**gateway, "kind": "GatewayClass"}
    assert selected(WEB, targetRefs=[gateway, klass]) == ((), [])
    assert selected(WEB, targetRefs=[gateway, {"kind": "Service", "name": "web"}]) == (({"app": "web"},), [])
    assert selected(targetRefs=[{**gateway, "group": "example.com"}])[0] is None


def test_what_is_neither_a_service_nor_a_gateway_is_for_the_caller_to_close() -> None:
    assert selected(targetRefs=[{"group": "networking.istio.io", "kind": "ServiceEntry", "name": "g"}])[0] is None


def test_the_root_namespace_speaks_for_all_and_differences_are_by_namespace() -> None:
    one = Scoped("root", [("root", ({},), "r"), ("a", ({"app": "x"},), "a"), ("a", (), "nobody")])
    assert one.of(pod("p", namespace="a", labels={"app": "x"})) == ["r", "a"]
    assert one.of(pod("p", namespace="b")) == ["r"]
    two = Scoped("root", [("root", ({},), "r"), ("a", ({"app": "x"},), "b"), ("c", ({},), "c")])
    assert list(one.differing(two)) == [("a", {"app": "x"}), ("a", {"app": "x"}), ("c", {})]
    assert list(one.differing(one)) == []


def test_what_is_said_of_others_is_not_looked_at() -> None:
    def work(count: int) -> int:
        found = Scoped("root", [("a", ({"app": f"x{n}"},), n) for n in range(count)])
        return calls_of(lambda: found.of(pod("p", namespace="a", labels={"app": "x1", "tier": "front"})))

    assert work(100) == work(10)


def test_a_selector_of_several_labels_asks_for_all_of_them() -> None:
    found = Scoped("root", [("a", ({"app": "x", "tier": "front"}, {"app": "y"}), "said")])
    assert found.of(pod("p", namespace="a", labels={"app": "x", "tier": "front", "more": "z"})) == ["said"]
    assert found.of(pod("p", namespace="a", labels={"app": "x"})) == []
    assert found.of(pod("p", namespace="a", labels={"app": "y"})) == ["said"]
