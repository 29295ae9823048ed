"""CUSTOM policies as in Istio's own test: authorizers of a Service and of a ServiceEntry, over gRPC and HTTP."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Final

import pytest

from netns.authorizers import Book, grpc_authorizer, http_authorizer
from netns.istiolab import Tables, tables
from netns.meshapps import greeter_app, http_app
from netns.test_istio_authorization import policy, to
from netns.test_istio_reachability import POD, SERVICE

pytestmark = pytest.mark.root

NEAR, SERVER, JUDGE = "shop/cart", "shop/orders", "shop/judge"
MANIFESTS: Final = (
    "".join(
        POD % {"ns": "shop", "name": name, "app": name, "mesh": "disabled" if name == "judge" else "enabled"}
        for name in ("cart", "orders", "judge")
    )
    + SERVICE % {"ns": "shop", "name": "orders"}
    + """
apiVersion: v1
kind: Service
metadata: {name: judge, namespace: shop}
spec:
  selector: {app: judge}
  ports: [{name: http, port: 8000}, {name: grpc, port: 9000}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    extensionProviders:
    - name: inside-grpc
      envoyExtAuthzGrpc: {service: shop/judge.shop.svc.cluster.local, port: 9000}
    - name: inside-http
      envoyExtAuthzHttp: {service: judge.shop.svc.cluster.local, port: 8000, includeRequestHeadersInCheck: [x-say]}
    - name: outside-grpc
      envoyExtAuthzGrpc: {service: judge.example.com, port: 9000}
    - name: outside-http
      envoyExtAuthzHttp: {service: shop/judge.example.com, port: 8000, includeRequestHeadersInCheck: [x-say]}
    - name: own-grpc
      envoyExtAuthzGrpc: {service: judge.local, port: 9000}
    - name: own-http
      envoyExtAuthzHttp: {service: judge.local, port: 8000, includeRequestHeadersInCheck: [x-say]}
    - name: nowhere
      envoyExtAuthzGrpc: {service: nowhere.example.com, port: 9000}
"""
)
ENTRY: Final = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: judge, namespace: shop}
spec:
  hosts: [judge.example.com]
  resolution: STATIC
  ports: [{number: 8000, name: http, protocol: HTTP}, {number: 9000, name: grpc, protocol: GRPC}]
  endpoints: [{address: %s}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: own, namespace: shop}
spec:
  hosts: [judge.local]
  resolution: STATIC
  ports: [{number: 8000, name: http, protocol: HTTP, targetPort: 8001}, {number: 9000, name: grpc, protocol: GRPC}]
  endpoints: [{address: 127.0.0.1, ports: {grpc: 9001}}]
"""
RULES: Final = (to('ports: ["8080"], paths: ["/custom"], methods: [GET]'), to('ports: ["9090"]'))


class World:
    """The lab, and what the authorizers were asked."""

    def __init__(self, lab: Tables, books: dict[str, Book]) -> None:
        self.lab = lab
        self.books = books

    def put(self, provider: str) -> None:
        entry = ENTRY % self.lab.pod_address(JUDGE)
        asking = policy(*RULES, action="CUSTOM").replace("action:", f"provider: {{name: {provider}}}, action:")
        self.lab.put(entry + asking)
        for book in self.books.values():
            book.asked.clear()

    def ask(self, path: str, word: str) -> int:
        address = self.lab.address("orders", "shop")
        return self.lab.curl(NEAR, f"http://orders.shop{path}", "-H", f"x-say: {word}", at=address)[0]

    def heard(self) -> bool:
        return self.lab.heard(NEAR, self.lab.address("orders", "shop"), 90)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tables("ic", MANIFESTS) as made, contextlib.ExitStack() as apps:
        apps.enter_context(http_app(made.ns[SERVER], 8080, SERVER))
        apps.enter_context(greeter_app(made.ns[SERVER], 9090))
        books = {
            "grpc": apps.enter_context(grpc_authorizer(made.ns[JUDGE], 9000)),
            "http": apps.enter_context(http_authorizer(made.ns[JUDGE], 8000)),
            "own-grpc": apps.enter_context(grpc_authorizer(made.ns[SERVER], 9001)),
            "own-http": apps.enter_context(http_authorizer(made.ns[SERVER], 8001)),
        }
        yield World(made, books)


@pytest.mark.parametrize(
    "provider", ["inside-grpc", "outside-grpc", "own-grpc", "inside-http", "outside-http", "own-http"]
)
def test_the_authorizer_decides_about_what_rules_name(world: World, provider: str) -> None:
    world.put(provider)
    assert not [p for p in world.lab.problems if p.severity.value == "error"]
    assert [world.ask("/custom", "yes"), world.ask("/custom", "no")] == [200, 403]
    assert [world.ask("/health", "yes"), world.ask("/health", "no")] == [200, 200]
    book = provider if provider in world.books else provider.rpartition("-")[2]
    asked = world.books[book].asked
    assert [one.path for one in asked] == ["/custom", "/custom"]
    assert world.heard() is provider.endswith("grpc"), "over HTTP nobody can be asked about bytes"


def test_a_host_outside_is_asked_by_its_own_name(world: World) -> None:
    world.put("outside-http")
    assert world.ask("/custom", "yes") == 200
    (asked,) = world.books["http"].asked
    assert asked.headers["host"].partition(":")[0] in {"judge.example.com", "orders.shop"}
    clusters = json.loads(world.lab.lab.admin("/clusters?format=json"))["cluster_statuses"]
    assert [c for c in clusters if "judge.example.com/8000" in c["name"] and c.get("host_statuses")]


def test_a_host_that_nobody_knows_denies_everything(world: World) -> None:
    world.put("nowhere")
    assert [world.ask("/custom", "yes"), world.ask("/health", "yes")] == [403, 403]
    assert not world.heard()


def test_nobody_reaches_a_host_that_is_the_pod_itself(world: World) -> None:
    world.put("own-http")
    assert "shop/judge.example.com" in world.lab.view.services
    assert "shop/judge.local" not in world.lab.view.services
    told = [p for p in world.lab.problems if p.at is not None and p.at.name == "own"]
    assert [(p.at.path, p.severity.value) for p in told if p.at is not None] == [("spec.endpoints", "warning")]


def test_of_two_providers_the_first_is_asked_and_what_the_other_would_be_is_denied(world: World) -> None:
    """Istio allows one provider for a workload, and else denies all that either is about: here the first goes on."""
    world.put("inside-grpc")
    second = policy(to('paths: ["/second"]'), action="CUSTOM", name="q")
    asking = policy(to('paths: ["/custom"]'), action="CUSTOM").replace(
        "action:", "provider: {name: inside-grpc}, action:"
    )
    world.lab.put(asking + second.replace("action:", "provider: {name: inside-http}, action:"))
    told = [p for p in world.lab.problems if p.code == "ProviderConflict" and p.at is not None]
    assert {(p.at.name, p.at.path) for p in told if p.at is not None} == {("q", "spec.provider.name")}
    assert [world.ask("/custom", word) for word in ("yes", "no")] == [200, 403]
    assert [world.ask(path, "yes") for path in ("/second", "/other")] == [403, 200]
    assert [one.path for one in world.books["grpc"].asked] == ["/custom", "/custom"]
    assert world.books["http"].asked == []
