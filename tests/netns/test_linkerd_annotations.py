"""Linkerd's annotations of Services and routes, from the objects to real requests through a real Envoy."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

import builders
from e2e.lab import until
from linkerdworlds import route as linkerd_route
from linkerdworlds import with_notes
from meshworlds import httproute, parent
from netns.shoplab import Shop, running_shop
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

pytestmark = pytest.mark.root

WEB = builders.service("web", ns="shop", ports=[{"name": "http", "port": 80}])
TIME, RETRY, REST = "timeout.linkerd.io", "retry.linkerd.io", "balancer.linkerd.io/failure-accrual"


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop("la") as made:
        yield made


def put(shop: Shop, notes: dict[str, str], *routes: Object) -> None:
    """The Service `web`, of both servers, with these annotations, and what routes say of it."""
    mesh, problems = translate_mesh(World.of([with_notes(WEB, notes), *routes]), Options())
    assert problems == ()
    table, policy = mesh.tables.get("shop/web"), mesh.policies.get("shop/web")
    shop.lab.apply(shop.view("v1", "v2", table=table, policy=policy))


def answers(shop: Shop, path: str, count: int = 12) -> Counter[tuple[int, str]]:
    return Counter(shop.get(path) for _ in range(count))


def test_a_service_says_how_long_requests_take_at_most(shop: Shop) -> None:
    put(shop, {})
    assert shop.get("/slow")[0] == 200
    put(shop, {f"{TIME}/request": "100ms"})
    assert (shop.get("/slow")[0], shop.get("/")[0]) == (504, 200)
    put(shop, {f"{TIME}/request": "10s", f"{TIME}/response": "100ms"})
    assert shop.get("/slow")[0] == 504


def test_a_service_says_what_is_tried_again(shop: Shop) -> None:
    put(shop, {})
    assert answers(shop, "/fail-v1").keys() == {(500, "v1"), (200, "v2")}
    put(shop, {f"{RETRY}/http": "5xx", f"{RETRY}/limit": "3"})
    assert answers(shop, "/fail-v1").keys() == {(200, "v2")}
    put(shop, {f"{RETRY}/http": "501-599"})
    assert (500, "v1") in answers(shop, "/fail-v1")


def test_each_try_has_its_own_time(shop: Shop) -> None:
    put(shop, {f"{RETRY}/limit": "1", f"{RETRY}/timeout": "50ms"})
    began = time.monotonic()
    assert shop.get("/slow")[0] == 504
    assert 0.1 <= time.monotonic() - began < 0.3


def test_a_route_comes_before_the_service_and_its_fields_after_its_annotations(shop: Shop) -> None:
    to_itself = [{"name": "web", "port": 80}]
    rules = [{"backendRefs": to_itself, "timeouts": {"request": "10s"}}]
    said = {f"{TIME}/request": "100ms", f"{RETRY}/http": "5xx", f"{RETRY}/limit": "3"}
    own = httproute(ns="shop", parentRefs=[parent("web")], rules=rules)
    put(shop, said, own)
    assert shop.get("/slow")[0] == 200
    assert answers(shop, "/fail-v1").keys() == {(200, "v2")}
    put(shop, {}, with_notes(own, said))
    assert shop.get("/slow")[0] == 504
    silent = httproute(ns="shop", parentRefs=[parent("web")], rules=[{"backendRefs": to_itself}])
    put(shop, {f"{TIME}/request": "100ms"}, silent)
    assert shop.get("/slow")[0] == 504
    theirs = linkerd_route(ns="shop", parentRefs=[{"kind": "Service", "group": "core", "name": "web"}])
    put(shop, {f"{TIME}/request": "10s"}, with_notes(theirs, {f"{TIME}/request": "100ms"}))
    assert (shop.get("/slow")[0], shop.get("/")[0]) == (504, 200)


def test_who_fails_in_a_row_rests_and_comes_back(shop: Shop) -> None:
    name = f"{REST}-consecutive"
    put(shop, {REST: "consecutive", f"{name}-max-failures": "3", f"{name}-min-penalty": "500ms"})
    answers(shop, "/fail-v1")
    assert answers(shop, "/fail-v1").keys() == {(200, "v2")}
    until(lambda: answers(shop, "/").keys(), lambda found: found == {(200, "v1"), (200, "v2")})
