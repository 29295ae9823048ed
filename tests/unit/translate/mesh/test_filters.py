"""Filters of an HTTPRoute, as rules of a route show them."""

from __future__ import annotations

from typing import Any

from builders import service
from meshworlds import httproute, parent
from tandem.ir.mesh import Backend, Cors, Exact, Forward, Redirect, Regex, Rewrite, Route, RouteCheck, Session
from tandem.model.world import Key, World
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.filters import UNASKED
from tandem.translate.mesh.rules import RuleReader
from tandem.translate.options import Options

BACKEND = [{"name": "web", "port": 80}]


def read(
    *filters: Any, parents: frozenset[Key] = frozenset({("default", "web")}), **rule: Any
) -> tuple[Route, list[tuple[str, str]]]:
    """`parents`: none is as gateways read it."""
    owner = httproute(parentRefs=[parent("web")], rules=[{"backendRefs": BACKEND, **rule, "filters": list(filters)}])
    context = Context(world=World.of([service("web"), service("two")]), options=Options(), policies={})
    reader = RuleReader(owner, context, parents)
    (route,) = reader.read(owner.spec.rules[0], 0)
    return route, [(p.at.path, p.code) for p in reader.problems]


def test_a_redirect_takes_the_place_of_backends() -> None:
    asked = {"scheme": "https", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"}, "statusCode": 301}
    route, wrongs = read({"type": "RequestRedirect", "requestRedirect": asked}, backendRefs=[])
    assert route.action == Redirect(status=301, scheme="https", prefix="/x", by_element=True)
    assert wrongs == []


def test_a_rewrite_belongs_to_the_way_to_the_backends() -> None:
    asked = {"hostname": "a.test", "path": {"type": "ReplaceFullPath", "replaceFullPath": "/x"}}
    route, _ = read({"type": "URLRewrite", "urlRewrite": asked})
    assert isinstance(route.action, Forward)
    assert route.action.rewrite == Rewrite(path="/x", host="a.test")


def test_mirrors_get_their_share_and_one_that_is_missing_gets_nothing() -> None:
    def mirror(name: str, **share: Any) -> Any:
        return {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": name, "port": 80}, **share}}

    third = {"numerator": 1, "denominator": 3}
    route, wrongs = read(mirror("two"), mirror("web", percent=50), mirror("web", fraction=third), mirror("gone"))
    assert [m.per_million for m in route.mirrors] == [1_000_000, 500_000, 333_333]
    assert not any(m.shadow for m in route.mirrors)
    assert wrongs == [("spec.rules[0].filters[3].requestMirror.backendRef", "BackendNotFound")]


def test_cors_answers_strangers_itself() -> None:
    asked = {"allowOrigins": ["https://a.test", "https://*.b.test", "*"], "allowMethods": ["GET"], "maxAge": 7}
    route, _ = read({"type": "CORS", "cors": asked})
    assert route.cors == Cors(
        origins=(Exact("https://a.test"), Regex(r"https://.+\.b\.test"), Exact("*")),
        methods=("GET",),
        max_age_s=7,
        forward_unmatched=False,
    )


def test_a_backend_changes_headers_rewrites_redirects_and_does_nothing_else() -> None:
    changes = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "X", "value": "1%"}]}}
    route, wrongs = read(backendRefs=[{**BACKEND[0], "filters": [changes]}])
    assert isinstance(route.action, Forward)
    assert route.action.backends[0].request_headers.set == (("x", "1%%"),)
    assert wrongs == []
    redirect = {"type": "RequestRedirect", "requestRedirect": {}}
    assert read(backendRefs=[{**BACKEND[0], "filters": [redirect]}])[0].action == Redirect()
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": BACKEND[0]}}
    assert read(backendRefs=[{**BACKEND[0], "filters": [mirror]}])[1] == [
        ("spec.rules[0].backendRefs[0].filters[0].type", "UnsupportedValue")
    ]


def test_sessions_are_kept_by_a_cookie_or_a_header() -> None:
    assert read(sessionPersistence={})[0].session == Session(cookie="Tandem-Session")
    cookie = {"name": "mine", "path": "/a", "lifetimeType": "Permanent"}
    assert read(sessionPersistence={"cookie": cookie, "absoluteTimeout": "90s"})[0].session == Session(
        cookie="mine", path="/a", absolute_s=90
    )
    assert read(sessionPersistence={"type": "Header", "header": {"name": "x-mine"}})[0].session == Session(
        header="x-mine"
    )


def asking(name: str = "two", **more: Any) -> Any:
    asked = {"protocol": "HTTP", "backendRef": {"name": name, "port": 80}, "http": {}, **more}
    return {"type": "ExternalAuth", "externalAuth": asked}


def test_a_gateway_asks_whom_a_rule_names() -> None:
    backend = Backend(namespace="default", service="two", port=80)
    config = {"allowedHeaders": ["X-B", "x-a"], "allowedResponseHeaders": ["X-User"], "path": "/auth"}
    route, wrongs = read(asking(http=config, forwardBody={"maxSize": 9}), parents=frozenset())
    assert wrongs == []
    assert route.check == RouteCheck(
        backend=backend,
        grpc=False,
        request_headers=("x-a", "x-b"),
        path_prefix="/auth",
        answer_headers=("x-user",),
        max_body_bytes=9,
    )
    over_grpc = {"protocol": "GRPC", "backendRef": {"name": "two", "port": 80}, "grpc": {}}
    route, _ = read({"type": "ExternalAuth", "externalAuth": over_grpc}, parents=frozenset())
    assert route.check == RouteCheck(backend=backend, grpc=True)


def test_whom_nobody_can_ask_lets_nothing_pass() -> None:
    at = "spec.rules[0].filters[0].externalAuth.backendRef"
    for backend, code in ({"name": "gone"}, "BackendNotFound"), ({"name": "two", "namespace": "x"}, "RefNotPermitted"):
        asked = asking(backendRef={"port": 80, **backend})
        route, wrongs = read(asked, parents=frozenset())
        assert (route.action, route.check, wrongs) == (UNASKED, None, [(at, code)])
    redirect = {"type": "RequestRedirect", "requestRedirect": {}}
    assert read(redirect, asking("gone"), backendRefs=[], parents=frozenset())[0].action == UNASKED


def test_clients_in_the_mesh_ask_nobody_and_a_rule_asks_one() -> None:
    refused = ("spec.rules[0].filters[0].type", "UnsupportedValue")
    assert read(asking())[1] == [refused]
    assert read(asking(), asking(), parents=frozenset())[1] == [("spec.rules[0].filters[1].type", "UnsupportedValue")]
