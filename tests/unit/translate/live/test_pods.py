"""Pods translated one by one; that it is always the translation of all is shown in tests/property/test_live.py."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from builders import namespace, pod, service, world
from meshworlds import authz, peerauth
from tandem.base.table import Table, changes
from tandem.model.core import ConfigMap, Pod
from tandem.model.meta import Meta, Object
from tandem.model.parse import parse
from tandem.model.security import AuthorizationPolicy
from tandem.model.world import World
from tandem.translate.limits.found import NO_LIMITS
from tandem.translate.live import pods
from tandem.translate.live.pods import LivePods
from tandem.translate.live.problems import Gathered
from tandem.translate.mesh.istio import authorization
from tandem.translate.options import Options
from tandem.translate.pods import One, translate_pod

OPEN = (Table[str, str](), Table[str, str]())
BASE = world(namespace("default"), namespace("shop"), pod("a"), pod("b"), pod("c", namespace="shop"))


def touched(*objects: Object, routed: dict[str, frozenset[int]] | None = None) -> set[str]:
    """The pods that are other objects after these changes to BASE."""
    live = LivePods(Options(), Gathered())
    none: dict[str, frozenset[int]] = {}
    live.update(BASE, OPEN, none, NO_LIMITS)  # type: ignore[arg-type]
    before, after = live.pods, BASE
    for obj in objects:
        after = after.with_changes(obj.kind, {obj.key: obj}, synced=True)
    live.update(after, OPEN, none if routed is None else routed, NO_LIMITS)  # type: ignore[arg-type]
    return set(changes(before, live.pods))


def test_a_pod_that_changed_is_translated_and_no_other() -> None:
    assert touched(pod("a", app="web")) == {"uid-default-a"}


def test_a_namespace_in_the_mesh_takes_its_pods_along() -> None:
    assert touched(namespace("shop", **{"istio-injection": "enabled"})) == {"uid-shop-c"}


def test_a_rule_of_the_root_namespace_is_everyones() -> None:
    everywhere = peerauth("p", ns=Options().root_namespace, mtls={"mode": "STRICT"})
    assert touched(everywhere) == {"uid-default-a", "uid-default-b", "uid-shop-c"}
    assert touched(peerauth("p", ns="shop", mtls={"mode": "STRICT"})) == {"uid-shop-c"}


def test_what_is_done_with_paths_is_everyones() -> None:
    meta = Meta(name="istio", namespace=Options().root_namespace)
    said = {"mesh": "pathNormalization: {normalization: NONE}"}
    config = ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data=said)
    assert touched(config) == {"uid-default-a", "uid-default-b", "uid-shop-c"}


@pytest.mark.parametrize(
    "rule", [authz(selector={"matchLabels": {"app": "web"}}), peerauth("p", selector={"matchLabels": {"app": "web"}})]
)
@pytest.mark.parametrize("home", ["default", Options().root_namespace])
def test_a_rule_for_some_pods_has_those_translated_and_no_other(
    rule: Object,
    home: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That was every pod of the namespace."""
    done: list[str] = []

    def noting(one: Pod, *given: Any) -> One:
        done.append(one.metadata.name)
        return translate_pod(one, *given)

    monkeypatch.setattr(pods, "translate_pod", noting)
    rule = replace(rule, metadata=replace(rule.metadata, namespace=home))
    live, web = LivePods(Options(), Gathered()), pod("web", app="web")
    before = BASE.with_changes("Pod", {web.key: web}, synced=True)
    live.update(before, OPEN, {}, NO_LIMITS)  # type: ignore[arg-type]
    done.clear()
    after = before.with_changes(rule.kind, {rule.key: rule}, synced=True)
    live.update(after, OPEN, {}, NO_LIMITS)  # type: ignore[arg-type]
    assert done == ["web"]
    live.update(before, OPEN, {}, NO_LIMITS)  # type: ignore[arg-type]
    assert done == ["web", "web"]


def test_a_policy_that_changes_is_read_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def noting(found: World, policy: AuthorizationPolicy, *given: Any) -> Any:
        done.append(policy.metadata.name)
        return read(found, policy, *given)

    read = authorization._read
    monkeypatch.setattr(authorization, "_read", noting)
    live = LivePods(Options(), Gathered())
    before = world(*BASE.objects(), *(authz(f"a{n}") for n in range(3)))
    live.update(before, OPEN, {}, NO_LIMITS)  # type: ignore[arg-type]
    changed = authz("a1", action="DENY")
    live.update(before.with_changes(changed.kind, {changed.key: changed}, synced=True), OPEN, {}, NO_LIMITS)  # type: ignore[arg-type]
    assert done == ["a0", "a1", "a2", "a1"]


def test_telemetry_changes_pods_in_the_mesh_for_which_it_says_something_else() -> None:
    def telemetry(ns: str, **spec: Any) -> Object:
        meta = {"name": "t", "namespace": ns}
        return parse({"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": meta, "spec": spec})

    meshed = namespace("shop", **{"istio-injection": "enabled"})
    quiet = {"accessLogging": [{"disabled": True}]}
    assert touched(telemetry("shop", **quiet)) == set()
    live = LivePods(Options(), Gathered())
    for objects in ((meshed,), (meshed, telemetry("default", **quiet))):
        after = world(*BASE.sorted(Pod), namespace("default"), *objects)
        live.update(after, OPEN, {}, NO_LIMITS)  # type: ignore[arg-type]
        before = live.pods
    for spec, said in (({"tracing": [{"randomSamplingPercentage": 1}]}, False), (quiet, True)):
        after = after.with_changes("Telemetry", {("shop", "t"): telemetry("shop", **spec)}, synced=True)
        live.update(after, OPEN, {}, NO_LIMITS)  # type: ignore[arg-type]
        assert set(changes(before, live.pods)) == ({"uid-shop-c"} if said else set())


def test_a_service_changes_the_pods_that_it_selects() -> None:
    web = service("web", ns="shop", selector={"app": "web"}, ports=[{"port": 80, "name": "http"}])
    assert touched(pod("c", namespace="shop", app="web"), web) == {"uid-shop-c"}
    assert touched(service("none", selector={"app": "web"})) == set()


def test_a_pod_that_finished_is_gone_and_so_is_its_node() -> None:
    live = LivePods(Options(), Gathered())
    live.update(BASE, OPEN, {}, NO_LIMITS)  # type: ignore[arg-type]
    finished: Object = pod("a", phase="Succeeded")
    after: World = BASE.with_changes("Pod", {finished.key: finished}, synced=True)
    live.update(after, OPEN, {}, NO_LIMITS)  # type: ignore[arg-type]
    assert set(live.pods) == set(live.nodes) == {"uid-default-b", "uid-shop-c"}
