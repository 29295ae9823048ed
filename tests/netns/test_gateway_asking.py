"""Routes of a gateway that ask an authorizer about their requests, with real ones, through a real Envoy."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from gatewaybuild import backend, gateway, hosts, listener, port, route
from meshbuild import attached, endpoint, endpoints, service, view
from netns.authorizers import Book, grpc_authorizer, http_authorizer
from netns.meshapps import dial, http_app
from netns.meshlab import Lab
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import RouteCheck

pytestmark = pytest.mark.root

OWN, PLAIN = "10.244.0.1", 20080
GRPC = RouteCheck(backend=backend("auth", 9000), grpc=True)
HTTP = RouteCheck(backend=backend("auth", 8000), grpc=False)


class Answer:
    """What came back, and the headers that the application saw."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        data = response.read()
        seen = json.loads(data)["headers"] if data.startswith(b"{") else {}
        self.seen = {name.lower(): value for name, value in seen.items()}


class World:
    """A client outside the mesh, a gateway, and behind it an application and authorizers of both protocols."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        addresses = {"out": "10.244.0.4", "b": "10.244.0.3", "auth": "10.244.0.5"}
        self.ns = {name: lab.pod(name, address) for name, address in addresses.items()}
        self.books: dict[bool, Book] = {}

    def put(self, check: RouteCheck, *, there: bool = True) -> Book:
        routes = (route("open", "/open"), route("asked", check=check))
        made = gateway(port(listener("every", "*", hosts("shop.test", *routes))))
        behind = attached("b", "10.244.0.3", netns=str(self.ns["b"]), meshed=False)
        asked = attached("auth", "10.244.0.5", netns=str(self.ns["auth"]), meshed=False)
        self.lab.apply(
            view(
                service("web", "10.96.1.1", ("http", 80, AppProtocol.HTTP)),
                endpoints("web", endpoint(behind, http=8080)),
                # Its ports say nothing of their protocol: the route does.
                service("auth", "10.96.1.3", ("grpc", 9000, AppProtocol.HTTP), ("http", 8000, AppProtocol.HTTP)),
                endpoints("auth", *((endpoint(asked, grpc=9000, http=8000),) if there else ())),
                gateways={"edge/edge": made},
            )
        )
        book = self.books[check.grpc]
        book.asked.clear()
        return book

    def ask(self, path: str = "/", body: str = "", **headers: str) -> Answer:
        with contextlib.closing(dial(self.ns["out"], OWN, PLAIN)) as sock:
            connection = http.client.HTTPConnection("shop.test", 80)
            connection.sock = sock
            given = {"host": "shop.test", **{name.replace("_", "-"): value for name, value in headers.items()}}
            connection.request("GET", path, body=body or None, headers=given)
            return Answer(connection.getresponse())


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("gx") as lab:
        made = World(lab)
        with (
            http_app(made.ns["b"], 8080),
            grpc_authorizer(made.ns["auth"], 9000) as over_grpc,
            http_authorizer(made.ns["auth"], 8000) as over_http,
        ):
            made.books = {True: over_grpc, False: over_http}
            yield made


@pytest.fixture(params=[GRPC, HTTP], ids=["grpc", "http"])
def check(request: Any) -> RouteCheck:
    found: RouteCheck = request.param
    return found


def test_a_route_asks_and_another_does_not(world: World, check: RouteCheck) -> None:
    book = world.put(check)
    refused, passed, other = world.ask("/x", x_say="no"), world.ask("/x"), world.ask("/open", x_say="no")
    # Over HTTP headers go along where the route names them: the authorizer does not see x-say.
    assert refused.status == (403 if check.grpc else 200)
    assert (passed.status, passed.seen["x-checked"], other.status) == (200, "yes", 200)
    assert "x-checked" not in other.seen
    assert [one.path for one in book.asked] == ["/x", "/x"]


def test_headers_that_are_named_go_along_and_no_others(world: World, check: RouteCheck) -> None:
    book = world.put(replace(check, request_headers=("x-say",)))
    refused = world.ask(x_say="no", x_other="1", authorization="Basic eDp5")
    assert (refused.status, refused.headers["x-why"]) == (403, "because")
    (asked,) = book.asked
    assert asked.headers["x-say"] == "no"
    assert "x-other" not in asked.headers
    assert ("authorization" in asked.headers) is not check.grpc, "over HTTP it always does"


def test_what_a_backend_is_told_of_an_answer_over_http(world: World) -> None:
    world.put(HTTP)
    told = world.ask("/", "some body").seen
    assert (told["x-checked"], told["content-length"]) == ("yes", str(len("some body")))
    world.put(replace(HTTP, answer_headers=("x-else",)))
    assert "x-checked" not in world.ask().seen


def test_a_prefix_goes_before_the_path(world: World) -> None:
    book = world.put(replace(HTTP, path_prefix="/auth"))
    assert world.ask("/a?b=c").status == 200
    assert [one.path for one in book.asked] == ["/auth/a?b=c"]


def test_bodies_go_along_up_to_a_size_and_are_refused_above(world: World, check: RouteCheck) -> None:
    book = world.put(check)
    assert world.ask("/", "0123456789").status == 200
    assert [one.body for one in book.asked] == [""]
    book = world.put(replace(check, max_body_bytes=10))
    assert [world.ask("/", "0123456789").status, world.ask("/", "0123456789x").status] == [200, 413]
    assert world.ask("/", "no").status == 403
    assert [one.body for one in book.asked] == ["0123456789", "no"]


def test_without_an_answer_nothing_passes(world: World, check: RouteCheck) -> None:
    world.put(check, there=False)
    assert [world.ask("/x").status, world.ask("/open").status] == [403, 200]


def test_the_log_has_what_flows_tell_of_it(world: World) -> None:
    world.put(GRPC)
    assert world.ask("/told", x_say="no").status == 403
    log = "destination|gateway/edge/edge"
    (entry,) = world.lab.ads.log_of(log, lambda e: getattr(getattr(e, "request", None), "path", "") == "/told")
    assert entry.response.response_code_details == "ext_authz_denied"
    assert entry.common_properties.route_name == "asked"
