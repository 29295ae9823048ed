"""Route tables, subsets, shares, retries and endpoint changes, with real requests through a real Envoy."""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Iterator

import pytest

from netns.meshapps import Client, get
from netns.shoplab import SUBSETS, WEB, Shop, route, running_shop, to
from tandem.ir.mesh import (
    Exact,
    Forward,
    HeaderEdit,
    HeaderMatch,
    PathPrefix,
    Prefix,
    Present,
    QueryMatch,
    Regex,
    Respond,
    RouteMatch,
    RouteTable,
)

pytestmark = pytest.mark.root

ROUTES = (
    route("v1", to(("v1", 1)), RouteMatch(path=Prefix("/v1"))),
    route("element", to(("v2", 1)), RouteMatch(path=PathPrefix("/el"))),
    route("regex", to(("v2", 1)), RouteMatch(path=Regex("/r[0-9]+"))),
    route("nocase", to(("v2", 1)), RouteMatch(path=Exact("/CASE"), ignore_case=True)),
    route("header", to(("v1", 1)), RouteMatch(path=Exact("/h"), headers=(HeaderMatch(name="x-v", match=Exact("1")),))),
    route(
        "without",
        to(("v2", 1)),
        RouteMatch(path=Exact("/h"), headers=(HeaderMatch(name="x-v", match=Exact("2"), invert=True),)),
    ),
    route("query", to(("v1", 1)), RouteMatch(path=Exact("/q"), query=(QueryMatch(name="v", match=Exact("1")),))),
    route("present", Respond(status=418, body="tea"), RouteMatch(headers=(HeaderMatch(name="x-p", match=Present()),))),
    route("method", Respond(status=405), RouteMatch(method=Exact("DELETE"))),
    route("half", to(("v1", 50), ("v2", 50)), RouteMatch(path=Prefix("/half"))),
    route("zero", to(("v1", 0), ("v2", 1)), RouteMatch(path=Prefix("/zero"))),
    route("missing", to(("v1", 0), ("nowhere", 1)), RouteMatch(path=Prefix("/missing"))),
    route("nothing", Forward(backends=(), missing_status=500), RouteMatch(path=Prefix("/nothing"))),
    route(
        "edit",
        to(("v1", 1)),
        RouteMatch(path=Exact("/edit")),
        request_headers=HeaderEdit(
            set=(("x-set", "100%%"), ("host", "other")), add=(("x-add", "1"),), remove=("x-del",)
        ),
    ),
    route("mine", Respond(status=403), RouteMatch(path=Exact("/who"), source_labels=(("role", "guest"),))),
    route("port", Respond(status=410), RouteMatch(path=Exact("/who"), ports=(81,))),
    route("who", to(("v2", 1)), RouteMatch(path=Exact("/who"))),
)


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop("r") as made:
        yield made


@pytest.fixture
def routed(shop: Shop) -> Shop:
    shop.lab.apply(
        shop.view("v1", "v2", policy=SUBSETS, table=RouteTable(namespace="shop", service="web", routes=ROUTES))
    )
    return shop


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/v1x", {}, (200, "v1")),
        ("/el/x", {}, (200, "v2")),
        ("/elx", {}, (404, "")),
        ("/r12", {}, (200, "v2")),
        ("/r12x", {}, (404, "")),
        ("/case", {}, (200, "v2")),
        ("/h", {"x_v": "1"}, (200, "v1")),
        ("/h", {"x_v": "2"}, (404, "")),
        ("/h", {}, (200, "v2")),
        ("/q?v=1", {}, (200, "v1")),
        ("/q?v=2", {}, (404, "")),
        ("/none", {"x_p": "1"}, (418, "")),
        ("/zero", {}, (200, "v2")),
        ("/missing", {}, (500, "")),
        ("/nothing", {}, (500, "")),
        ("/who", {}, (200, "v2")),
    ],
)
def test_the_first_route_that_matches_decides(
    routed: Shop, path: str, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert routed.get(path, **headers) == expected


def test_a_route_limited_to_labels_applies_to_clients_that_carry_them(routed: Shop) -> None:
    assert routed.get("/who", who="c") == (403, "")
    assert routed.get("/v1", who="c") == (200, "v1")


def test_equal_weights_reach_both_subsets(routed: Shop) -> None:
    with contextlib.closing(Client(routed.ns["a"], WEB, 80)) as client:
        seen = collections.Counter(client.get("/half")[1]["app"] for _ in range(200))
    assert min(seen["v1"], seen["v2"]) > 50


def test_headers_are_edited_literally(routed: Shop) -> None:
    _, seen = get(routed.ns["a"], WEB, 80, "/edit", x_del="1")
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert headers["x-set"] == "100%"
    assert headers["host"] == "other"
    assert "x-del" not in headers


def test_the_log_names_the_route(routed: Shop) -> None:
    routed.get("/v1/log")
    (entry,) = routed.lab.ads.log_of("source|uid-a", lambda e: e.request.path == "/v1/log")
    assert entry.common_properties.route_name == "v1"
    assert entry.common_properties.upstream_cluster == "svc/shop/web/80/v1"


def test_replacing_an_endpoint_under_load_fails_no_request(shop: Shop) -> None:
    shop.lab.apply(shop.view("v1", policy=SUBSETS))
    done = threading.Event()
    answers: collections.Counter[tuple[int, str]] = collections.Counter()

    def load() -> None:
        with contextlib.closing(Client(shop.ns["a"], WEB, 80)) as client:
            while not done.is_set():
                status, seen = client.get("/load")
                answers[status, seen.get("app", "")] += 1

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for servers in (("v1", "v2"), ("v2",), ("v1", "v2"), ("v1",), ("v2",)):
        shop.lab.apply(shop.view(*servers, policy=SUBSETS))
        done.wait(0.2)
    done.set()
    for thread in threads:
        thread.join()
    assert {status for status, _ in answers} == {200}
    assert {app for _, app in answers} == {"v1", "v2"}


def test_a_service_without_endpoints_answers_503(shop: Shop) -> None:
    shop.lab.apply(shop.view())
    assert shop.get("/") == (503, "")
