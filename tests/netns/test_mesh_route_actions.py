"""What routes do beside choosing a backend, with real requests through a real Envoy."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator

import pytest

from netns.meshapps import dial, get
from netns.shoplab import SUBSETS, WEB, Shop, route, running_shop, to
from tandem.ir.mesh import (
    AS_ASKED,
    DIALLED,
    Backend,
    Cors,
    Exact,
    Fault,
    Forward,
    HeaderEdit,
    HeaderMatch,
    Mirror,
    PathPrefix,
    Prefix,
    Present,
    Redirect,
    Regex,
    Respond,
    Rewrite,
    RouteMatch,
    RouteTable,
    Session,
)
from tandem.translate.mesh.values import COMMANDS

pytestmark = pytest.mark.root


def at(path: str) -> RouteMatch:
    return RouteMatch(path=PathPrefix(path))


def backend(subset: str, **fields: object) -> Backend:
    return Backend(namespace="shop", service="web", subset=subset, **fields)  # type: ignore[arg-type]


def rewritten(**fields: object) -> Forward:
    return Forward(backends=(backend("v1"),), rewrite=Rewrite(**fields))  # type: ignore[arg-type]


ROUTES = (
    route("full", rewritten(path="/new"), at("/full")),
    route("element", rewritten(prefix="/xyz"), at("/el")),
    route("away", rewritten(prefix="/"), at("/away")),
    route("plain", rewritten(prefix="/v2/"), RouteMatch(path=Prefix("/plain/"))),
    route("regex", rewritten(regex=(r"^/r/(\d+)$", r"/items/\1")), at("/r")),
    route("host", rewritten(host="other.test"), at("/host")),
    route("moved", Redirect(status=301, host="new.test", path="/there"), at("/moved")),
    route("prefix", Redirect(prefix="/y"), at("/x")),
    route("scheme", Redirect(scheme="https", status=308), at("/scheme")),
    route("port", Redirect(port=8081, status=303), at("/port")),
    route("dialled", Redirect(port=DIALLED, scheme="http", status=307), at("/dialled")),
    route("asked", Redirect(port=AS_ASKED, scheme="https", status=301), at("/asked")),
    route("bytes", Respond(status=200, encoded="AP8K"), at("/bytes")),
    route("root", rewritten(prefix="/v3"), RouteMatch(headers=(HeaderMatch(name="x-root", match=Present()),))),
    route("slow", to(("v1", 1)), at("/slow"), fault=Fault(delay_ms=300)),
    route("broken", to(("v1", 1)), at("/broken"), fault=Fault(abort_status=429)),
    route("never", to(("v1", 1)), at("/never"), fault=Fault(abort_status=429, abort_per_million=0)),
    route(
        "cors",
        to(("v1", 1)),
        at("/cors"),
        cors=Cors(
            origins=(Exact("https://a.test"), Regex(r"https://.+\.b\.test")),
            methods=("GET", "PUT"),
            headers=("x-one",),
            max_age_s=60,
            credentials=True,
            forward_unmatched=False,
        ),
    ),
    route("mirror", to(("v1", 1)), at("/mirror"), mirrors=(Mirror(backend=backend("v2")),)),
    route(
        "own",
        Forward(
            backends=(
                backend(
                    "v1",
                    request_headers=HeaderEdit(set=(("x-who", "backend"),)),
                    response_headers=HeaderEdit(add=(("x-from", "v1"),)),
                ),
            )
        ),
        at("/own"),
        request_headers=HeaderEdit(set=(("x-who", "route"),)),
    ),
    route(
        "made",
        to(("v1", 1)),
        at("/made"),
        request_headers=HeaderEdit(set=(("x-made", "%REQ(x-a?x-b):3% %PROTOCOL% 100%%"),)),
        response_headers=HeaderEdit(set=tuple((f"x-{name.lower()}", f"%{name}%") for name in sorted(COMMANDS))),
    ),
    route("session", to(("v1", 1), ("v2", 1)), at("/cookie"), session=Session(cookie="sticky", path="/cookie")),
    route(
        "token",
        Forward(backends=(Backend(namespace="shop", service="web"),)),
        at("/token"),
        session=Session(header="x-token"),
    ),
    route("all", to(("v2", 1))),
)


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop("ra") as made:
        table = RouteTable(namespace="shop", service="web", routes=ROUTES)
        made.lab.apply(made.view("v1", "v2", policy=SUBSETS, table=table))
        yield made


def ask(shop: Shop, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower case) and body of one request to web:80 as `web.test:80`."""
    with contextlib.closing(dial(shop.ns["a"], WEB, 80)) as sock:
        connection = http.client.HTTPConnection("web.test", 80)
        connection.sock = sock
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ("/full/x?q=1", "/new?q=1"),
        ("/el", "/xyz"),
        ("/el/", "/xyz/"),
        ("/el/a/b?q=1", "/xyz/a/b?q=1"),
        ("/away", "/"),
        ("/away/a", "/a"),
        ("/plain/a", "/v2/a"),
        ("/r/12", "/items/12"),
        ("/r/x", "/r/x"),
    ],
)
def test_the_backend_sees_the_rewritten_path(shop: Shop, asked: str, seen: str) -> None:
    status, answer = get(shop.ns["a"], WEB, 80, asked)
    assert (status, answer["path"]) == (200, seen)


def test_the_backend_sees_the_rewritten_host(shop: Shop) -> None:
    _, answer = get(shop.ns["a"], WEB, 80, "/host")
    assert {k.lower(): v for k, v in answer["headers"].items()}["host"] == "other.test"


@pytest.mark.parametrize(
    ("asked", "status", "location"),
    [
        ("/moved/x?q=1", 301, "http://new.test/there?q=1"),
        ("/x/a?q=1", 302, "http://web.test/y/a?q=1"),
        ("/scheme/a", 308, "https://web.test/scheme/a"),
        ("/port", 303, "http://web.test:8081/port"),
        ("/dialled", 307, "http://web.test/dialled"),
    ],
)
def test_a_redirect_tells_where_to(shop: Shop, asked: str, status: int, location: str) -> None:
    found, headers, _ = ask(shop, asked)
    assert (found, headers["location"]) == (status, location)


@pytest.mark.parametrize(
    ("host", "location"),
    [("web", "https://web/asked"), ("web:80", "https://web/asked"), ("web:85", "https://web:85/asked")],
)
def test_a_redirect_may_keep_the_port_that_the_client_wrote(shop: Shop, host: str, location: str) -> None:
    assert ask(shop, "/asked", host=host)[1]["location"] == location


def test_bytes_are_answered_as_they_are(shop: Shop) -> None:
    assert ask(shop, "/bytes")[::2] == (200, b"\x00\xff\n")


def test_without_a_word_on_the_path_a_prefix_takes_the_place_of_its_first_slash(shop: Shop) -> None:
    _, _, body = ask(shop, "/a/b", x_root="1")
    assert json.loads(body)["path"] == "/v3a/b"


def test_a_server_is_told_the_how_manieth_try_it_is(shop: Shop) -> None:
    _, answer = get(shop.ns["a"], WEB, 80, "/full")
    assert {k.lower(): v for k, v in answer["headers"].items()}["x-envoy-attempt-count"] == "1"


def test_faults_delay_and_abort_their_own_routes_only(shop: Shop) -> None:
    begun = time.monotonic()
    assert ask(shop, "/slow")[0] == 200
    assert time.monotonic() - begun > 0.25  # Envoy counts whole milliseconds of its own clock
    assert ask(shop, "/broken")[0] == 429
    assert ask(shop, "/never")[0] == 200
    assert ask(shop, "/other")[0] == 200


def test_preflights_of_known_origins_are_answered(shop: Shop) -> None:
    asked = {"access_control_request_method": "PUT"}
    for origin in ("https://a.test", "https://x.b.test"):
        status, headers, _ = ask(shop, "/cors", "OPTIONS", origin=origin, **asked)
        assert (status, headers["access-control-allow-origin"]) == (200, origin)
        assert headers["access-control-allow-methods"] == "GET,PUT"
        assert headers["access-control-allow-headers"] == "x-one"
        assert headers["access-control-max-age"] == "60"
        assert headers["access-control-allow-credentials"] == "true"
    _, headers, _ = ask(shop, "/cors", "OPTIONS", origin="https://evil.test", **asked)
    assert "access-control-allow-origin" not in headers
    assert ask(shop, "/cors", origin="https://a.test")[1]["access-control-allow-origin"] == "https://a.test"
    assert "access-control-allow-origin" not in ask(shop, "/other", origin="https://a.test")[1]


def test_a_mirror_gets_a_copy_and_the_client_the_answer(shop: Shop) -> None:
    assert get(shop.ns["a"], WEB, 80, "/mirror/1")[1]["app"] == "v1"
    (entry,) = shop.lab.ads.log_of("destination|uid-v2", lambda e: "/mirror" in e.request.path)
    assert entry.request.authority == WEB


def test_a_backend_s_own_headers_come_after_the_route_s(shop: Shop) -> None:
    _, answer = get(shop.ns["a"], WEB, 80, "/own")
    assert answer["who"] == "backend"
    assert ask(shop, "/own")[1]["x-from"] == "v1"


@pytest.mark.parametrize("path", ["/token"])
def test_a_header_keeps_the_session_at_its_endpoint(shop: Shop, path: str) -> None:
    _, headers, _ = ask(shop, path)
    token = headers["x-token"]
    apps = {ask(shop, path, x_token=token)[2] for _ in range(10)}
    assert len({body.split(b'"peer"')[0] for body in apps}) == 1


def test_values_of_headers_are_put_together_of_the_request(shop: Shop) -> None:
    _, answer = get(shop.ns["a"], WEB, 80, "/made", x_b="longer")
    assert {k.lower(): v for k, v in answer["headers"].items()}["x-made"] == "lon HTTP/1.1 100%"
    status, headers, _ = ask(shop, "/made")
    assert (status, headers["x-response_code"]) == (200, "200")
