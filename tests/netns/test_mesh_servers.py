"""Linkerd's Servers with real requests and connections through a real Envoy, from the objects on."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from builders import namespace, pod
from linkerdworlds import END, allowing, at_route, by, mesh_tls, networks, noted, route, server
from netns.meshapps import dial, greeter_app, http_app
from netns.meshlab import Lab
from netns.test_mesh_authorization import World as Called
from tandem.ir.authz import Action, AuthzPolicy, AuthzRule
from tandem.model.core import Pod
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh.linkerd.servers import ServerIndex

pytestmark = pytest.mark.root

B = pod("b", namespace="shop", ports={"http": 8080, "db": 3306})
MESHED = mesh_tls(ns="shop", identities=["*"])
CALLER = mesh_tls("caller", ns="shop", identities=[f"a.shop.{END}"])
NOBODY = mesh_tls("nobody", ns="shop", identities=[f"z.shop.{END}"])
NETS = networks("10.244.0.0/24", name="near", ns="shop")
ELSEWHERE = networks({"cidr": "10.244.0.0/24", "except": ["10.244.0.2"]}, name="others", ns="shop")
AUTHENTICATIONS = (MESHED, CALLER, NOBODY, NETS, ELSEWHERE)


@pytest.fixture(scope="module")
def called() -> Iterator[Called]:
    with Lab("sv") as lab:
        made = Called(lab)
        with http_app(made.ns["b"], 8080), greeter_app(made.ns["b"], 3306):
            yield made


def put(called: Called, *objects: Object, beside: tuple[AuthzPolicy, ...] = (), at: Pod = B) -> None:
    """What judges b (`at`) is what these objects say, and `beside`."""
    found = ServerIndex(World.of([*AUTHENTICATIONS, *objects]), "cluster.local").judged(at)
    called.put(*beside, *found.policies, served=found.served)


def web(**spec: Any) -> Object:
    return server(ns="shop", port="http", **spec)


def who(target: Any, *refs: str, name: str = "who") -> Object:
    kinds = {"near": "NetworkAuthentication", "others": "NetworkAuthentication"}
    named = [by(kinds.get(ref, "MeshTLSAuthentication"), ref) for ref in refs]
    return allowing(target, *named, name=name, ns="shop")


def answers(called: Called) -> tuple[int, int, bool]:
    """Of a in the mesh, of the pod outside of it, and whether a reaches the database."""
    return called.ask(), called.ask(who="plain"), called.heard()


def test_a_server_denies_at_its_own_port_until_somebody_is_authorized(called: Called) -> None:
    put(called, web())
    assert answers(called) == (403, 403, True)
    put(called, web(), who("web", "ids"))
    assert answers(called) == (200, 403, True)
    put(called, web(), who("web", "nobody"), who("web", "near", name="more"))
    assert answers(called) == (200, 200, True)
    put(called, web(), server("db", ns="shop", port=3306), who("db", "nobody"), who("web", "caller", name="b"))
    assert answers(called) == (200, 403, False)
    put(called, server("db", ns="shop", port=3306), who("db", "caller"))
    assert answers(called) == (200, 200, True)


def test_all_that_is_required_must_hold(called: Called) -> None:
    put(called, web(), who("web", "caller", "near"))
    assert answers(called) == (200, 403, True)
    put(called, web(), who("web", "caller", "others"))
    assert answers(called) == (403, 403, True)
    put(called, web(), who("web", "others"))
    assert answers(called) == (403, 200, True)


def test_access_policies(called: Called) -> None:
    put(called, web(accessPolicy="all-authenticated"))
    assert answers(called) == (200, 403, True)
    put(called, web(accessPolicy="cluster-unauthenticated"))
    assert answers(called) == (200, 200, True)
    put(called, web(accessPolicy="audit"))
    assert answers(called) == (200, 200, True)
    called.ask("/audited", who="plain")
    (entry,) = called.lab.ads.log_of(
        "destination|uid-b", lambda e: "request" in e.DESCRIPTOR.fields_by_name and e.request.path == "/audited"
    )
    found = entry.common_properties.metadata.filter_metadata["envoy.filters.http.rbac"].fields
    assert {"Server/shop/web/"} == {v.string_value for k, v in found.items() if k.endswith("effective_policy_id")}


def test_ports_that_ask_for_an_identity_have_one_whatever_the_default_is(called: Called) -> None:
    for policy in ("", "all-unauthenticated", "cluster-unauthenticated"):
        put(called, at=noted(B, policy, "3306"))
        assert answers(called) == (200, 200, True)
        put(called, at=noted(B, policy, "8080"))
        assert answers(called) == (200, 403, True)
        put(called, noted(namespace("shop"), policy, "8000-8090"))
        assert answers(called) == (200, 403, True)
    put(called, at=noted(B, "deny", "8080"))
    assert answers(called) == (403, 403, False)
    put(called, at=noted(B, "audit", "8080"))
    assert answers(called) == (200, 200, True)
    put(called, web(accessPolicy="all-unauthenticated"), at=noted(B, "", "http,8080"))
    assert answers(called) == (200, 200, True)


def test_identities_by_their_spiffe_id_and_ports_of_sidecars(called: Called) -> None:
    for name, status in (("spiffe://cluster.local/ns/shop/sa/a", 200), ("spiffe://other.example/ns/shop/sa/a", 403)):
        put(called, web(), who("web", "named"), mesh_tls("named", ns="shop", identities=[name]))
        assert answers(called) == (status, 403, True)
    beside = {"name": "s", "restartPolicy": "Always", "ports": [{"name": "http", "containerPort": 8080}]}
    sidecar = pod("b", namespace="shop", spec={"containers": [{"name": "c"}], "initContainers": [beside]})
    put(called, web(), at=sidecar)
    assert answers(called) == (403, 403, True)


def test_routes_are_judged_by_the_most_specific_one_in_every_spelling(called: Called) -> None:
    routes = (route("admin", {"path": {"value": "/admin"}}, ns="shop"), route("all", ns="shop"))
    clients = (who(at_route("admin"), "nobody", name="x"), who(at_route("all"), "caller", name="y"))
    put(called, web(), *routes, *clients)
    paths = ("/", "/adminx", "/admin", "/admin/x", "//admin", "/%61dmin", "/x/../admin", "/admin%2Fx", "/x/..%2fadmin")
    assert [called.ask(path) for path in paths] == [200, 200, *([403] * 7)]
    assert called.ask("/", who="plain") == 403
    put(called, web(), *routes, *clients, who("web", "near", name="z"))
    assert [called.ask(path) for path in ("/", "/admin")] == [200, 200]


def test_with_routes_only_requests_that_one_is_about_are_known(called: Called) -> None:
    get = route(
        "get",
        {"path": {"value": "/a/[^/]+", "type": "RegularExpression"}, "method": "GET"},
        {"path": {"value": "/h"}, "headers": [{"name": "X-A", "value": "1"}]},
        ns="shop",
        hostnames=["*.test"],
    )
    put(called, web(), get, who(at_route("get"), "caller"))
    asked = [("/a/b",), ("/a/b", "POST"), ("/a/b/c",), ("/b",), ("/h",)]
    assert [called.ask(*one) for one in asked] == [200, 403, 403, 403, 403]
    assert called.ask("/h", x_a="1") == 200
    assert called.ask("/h", x_a="2") == 403
    put(called, web(accessPolicy="audit"), get)
    assert [called.ask(*one) for one in asked[:2]] == [200, 403]


def test_parameters_choose_the_route_in_every_reading_of_a_query(called: Called) -> None:
    """To nobody but admins: a=1, however it is written; what could be read as it is not let in by the other route."""
    routes = (route("admin", {"queryParams": [{"name": "a", "value": "1"}]}, ns="shop"), route("all", ns="shop"))
    put(called, web(), *routes, who(at_route("admin"), "nobody", name="x"), who(at_route("all"), "caller", name="y"))
    denied = ("/?a=1", "/x?b=2&a=1", "/?%61=1", "/?a=%31", "/?a=2&a=1", "/?b=2;a=1")
    assert [called.ask(path) for path in denied] == [403] * len(denied)
    passed = ("/", "/a=1", "/?a=2", "/?aa=1", "/?a=11", "/?b=a=1", "/?q=x%20y&a=2")
    assert [called.ask(path) for path in passed] == [200] * len(passed)
    only = route("only", {"queryParams": [{"name": "v", "value": "[0-9]+", "type": "RegularExpression"}]}, ns="shop")
    put(called, web(), only, who(at_route("only"), "caller", name="x"))
    asked = ("/?v=12", "/?x=y&v=1", "/", "/?v=a", "/?v=1&v=2", "/?v=1&%76=2")
    assert [called.ask(path) for path in asked] == [200, 200, 403, 403, 403, 403]


def test_filters_change_what_their_route_is_about_of_those_who_may(called: Called) -> None:
    """Headers of requests and answers, and redirects; who is not authorized is denied, and sent nowhere."""
    edit = {"set": [{"name": "x-who", "value": "a%b"}], "remove": ["x-gone"]}
    filters = [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": edit},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "x-more", "value": "1"}]}},
    ]
    away = [{"type": "RequestRedirect", "requestRedirect": {"hostname": "new.test", "statusCode": 301}}]
    rules = [
        {"matches": [{"path": {"value": "/a"}}], "filters": filters},
        {"matches": [{"path": {"value": "/old"}}], "filters": away},
        {"matches": [{"path": {"value": "/a/plain"}}]},
        {},
    ]
    changing = route("changing", ns="shop", rules=rules)
    put(called, web(), route("changing", ns="shop"), who(at_route("changing"), "caller"))
    assert called.ask("/a/b") == 200
    put(called, web(), changing, who(at_route("changing"), "caller"))

    def asked(path: str) -> tuple[int, dict[str, str], Any]:
        with contextlib.closing(dial(called.ns["a"], "10.96.1.1", 80)) as sock:
            connection = http.client.HTTPConnection("web.test", 80)
            connection.sock = sock
            connection.request("GET", path, headers={"x-gone": "1"})
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(body) if body else {}

    # Connections between the proxies are open from before, of each thread: they end with the listener's time to drain.
    deadline = time.monotonic() + 10
    while not all("x-more" in asked("/a/b")[1] for _ in range(12)) and time.monotonic() < deadline:
        time.sleep(0.2)
    status, headers, seen = asked("/a/b")
    assert (status, headers["x-more"], seen["who"], "x-gone" in seen["headers"]) == (200, "1", "a%b", False)
    status, headers, seen = asked("/a/plain")
    assert (status, "x-more" in headers, seen["who"], "x-gone" in seen["headers"]) == (200, False, "", True)
    status, headers, _ = asked("/old/x")
    assert (status, headers["location"]) == (301, "http://new.test/old/x")
    assert [called.ask(path, who="plain") for path in ("/a", "/old")] == [403, 403]
    # What judges is the newest on all of them, also as soon as nothing is changed any more.
    put(called, web(), who("web", "nobody"))
    assert [called.ask(path) for path in ("/a/b", "/old", "/") for _ in range(4)] == [403] * 12


def test_bytes_are_judged_by_the_server_alone_and_pass_no_routes(called: Called) -> None:
    db = server("db", ns="shop", port=3306)
    put(called, db, who("db", "caller"))
    assert called.heard()
    put(called, db, who("db", "caller"), route("all", ns="shop", server="db"))
    assert not called.heard()
    put(called, server("db", ns="shop", port=3306, accessPolicy="audit"), route("all", ns="shop", server="db"))
    assert called.heard()


def test_it_and_what_istio_says_must_both_let_a_request_pass(called: Called) -> None:
    origin = msgspec.structs.replace(web().origin(), kind="AuthorizationPolicy", name="istio")
    everyone = AuthzPolicy(action=Action.ALLOW, rules=(AuthzRule(origin=origin),), origin=origin)
    nobody = AuthzPolicy(action=Action.ALLOW, rules=(), origin=origin)
    put(called, web(), beside=(everyone,))
    assert called.ask() == 403
    put(called, web(), who("web", "caller"), beside=(nobody,))
    assert called.ask() == 403
    put(called, web(), who("web", "caller"), beside=(everyone,))
    assert called.ask() == 200
