"""CUSTOM and AUDIT policies with real authorizers in a pod, through a real Envoy."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from meshbuild import attached, endpoint, endpoints, service, strict, view
from netns.authorizers import Book, grpc_authorizer, http_authorizer
from netns.meshapps import dial, greeter_app, http_app, repeats
from netns.meshlab import Lab
from netns.test_mesh_authorization import need, policy, rule
from tandem.ir.authz import Action, Attribute, AuthzPolicy, AuthzRule, CheckBody, ExternalCheck
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import Exact, Prefix

pytestmark = pytest.mark.root

WEB, DB, AUTH = "10.96.1.1", "10.96.1.2", "10.96.1.3"
ADDRESSES = {"a": "10.244.0.2", "b": "10.244.0.3", "auth": "10.244.0.4"}
ANSWERS = (Exact("X-Checked"), Prefix("x-w"))
GRPC = ExternalCheck(name="g", namespace="shop", service="auth", port=9000, grpc=True, timeout_ms=5000)
HTTP = ExternalCheck(
    name="h",
    namespace="shop",
    service="auth",
    port=8000,
    grpc=False,
    timeout_ms=5000,
    request_headers=(Exact("X-Say"),),
    upstream_on_allow=ANSWERS,
    downstream_on_deny=ANSWERS,
    downstream_on_allow=ANSWERS,
)


def ask(check: ExternalCheck, *rules: AuthzRule, name: str = "custom") -> AuthzPolicy:
    return msgspec.structs.replace(policy(Action.CUSTOM, *rules, name=name), check=check)


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read().decode()


class World:
    """Pod a calls b: web:80 speaks HTTP, db:3306 bytes; the authorizers of pod auth take mTLS alone."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {name: lab.pod(name, address) for name, address in ADDRESSES.items()}
        self.books: dict[str, Book] = {}

    def put(self, *policies: AuthzPolicy, there: bool = True) -> None:
        b = attached("b", ADDRESSES["b"], netns=str(self.ns["b"]))
        pod = msgspec.structs.replace(b.pod, authorization=policies, plain_http_ports=(8080,))
        server = msgspec.structs.replace(b, pod=pod)
        auth = attached("auth", ADDRESSES["auth"], netns=str(self.ns["auth"]), mtls=strict(0))
        members = (endpoint(auth, grpc=9000, http=8000),) if there else ()
        self.lab.apply(
            view(
                attached("a", ADDRESSES["a"], netns=str(self.ns["a"])),
                server,
                auth,
                service("web", WEB, ("http", 80, AppProtocol.HTTP)),
                endpoints("web", endpoint(server, http=8080)),
                service("db", DB, ("db", 3306, AppProtocol.TCP)),
                endpoints("db", endpoint(server, db=3306)),
                service("auth", AUTH, ("grpc", 9000, AppProtocol.GRPC), ("http", 8000, AppProtocol.HTTP)),
                endpoints("auth", *members),
            )
        )
        for book in self.books.values():
            book.asked.clear()

    def ask(self, path: str = "/", *, body: str = "", **headers: str) -> Answer:
        with contextlib.closing(dial(self.ns["a"], WEB, 80)) as sock:
            connection = http.client.HTTPConnection("web.test", 80)
            connection.sock = sock
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET", path, body=body or None, headers=given)
            return Answer(connection.getresponse())

    def heard(self) -> bool:
        return repeats(self.ns["a"], DB, 3306)

    def details(self, path: str) -> Any:
        found = self.lab.ads.log_of(
            "destination|uid-b", lambda e: "request" in e.DESCRIPTOR.fields_by_name and e.request.path == path
        )
        return found[-1]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("ex") as lab:
        made = World(lab)
        with (
            http_app(made.ns["b"], 8080),
            greeter_app(made.ns["b"], 3306),
            grpc_authorizer(made.ns["auth"], 9000) as over_grpc,
            http_authorizer(made.ns["auth"], 8000) as over_http,
        ):
            made.books = {"g": over_grpc, "h": over_http}
            yield made


@pytest.fixture(params=[GRPC, HTTP], ids=["grpc", "http"])
def check(request: pytest.FixtureRequest) -> ExternalCheck:
    found: ExternalCheck = request.param
    return found


PRIVATE = rule(operations=(need(Attribute.PATH, Prefix("/private")),))


def test_the_authorizer_decides_about_what_rules_name_and_is_asked_nothing_else(
    world: World, check: ExternalCheck
) -> None:
    world.put(ask(check, PRIVATE))
    assert [world.ask("/private").status, world.ask("/private", x_say="no").status] == [200, 403]
    assert world.ask("/public", x_say="no").status == 200
    assert world.ask("//private/x", x_say="no").status == 403, "in every spelling"
    assert [a.path.replace("//", "/") for a in world.books[check.name].asked] == ["/private", "/private", "/private/x"]


def test_it_is_asked_with_the_identity_of_the_pod_that_asks(world: World) -> None:
    world.put(ask(GRPC, rule()))
    assert world.ask().status == 200
    (asked,) = world.books["g"].asked
    assert asked.source == ADDRESSES["a"]
    assert world.lab.ads.log_of("destination|uid-auth", lambda e: "sa/b" in str(e.common_properties.tls_properties))


def test_what_it_answers_is_told(world: World, check: ExternalCheck) -> None:
    world.put(ask(check, rule()))
    allowed, refused = world.ask(), world.ask(x_say="no")
    assert '"x-checked": "yes"' in allowed.body, "the application"
    assert refused.headers["x-why"] == "because"
    if check is HTTP:
        assert allowed.headers["x-checked"] == "yes"


def test_over_http_it_is_told_what_the_provider_lists(world: World) -> None:
    added = msgspec.structs.replace(HTTP, path_prefix="/check", added_headers=(("x-mesh", "ours"),))
    world.put(ask(added, rule()))
    assert world.ask("/a", x_say="yes", x_other="1").status == 200
    (asked,) = world.books["h"].asked
    assert (asked.path, asked.headers["x-say"], asked.headers["x-mesh"]) == ("/check/a", "yes", "ours")
    assert "x-other" not in asked.headers


def test_the_body_goes_along_where_that_is_asked_for(world: World, check: ExternalCheck) -> None:
    world.put(ask(check, rule()))
    assert world.ask(body="no").status == 200
    world.put(ask(msgspec.structs.replace(check, body=CheckBody(max_bytes=8)), rule()))
    assert [world.ask(body="no").status, world.ask(body="yes").status] == [403, 200]
    assert world.ask(body="x" * 99).status == 413
    world.put(ask(msgspec.structs.replace(check, body=CheckBody(max_bytes=8, partial=True)), rule()))
    assert world.ask(body="x" * 99).status == 200


def test_who_cannot_be_asked_lets_nothing_through_unless_that_is_wanted(world: World, check: ExternalCheck) -> None:
    world.put(ask(check, PRIVATE), there=False)
    assert [world.ask("/private").status, world.ask("/").status] == [403, 200]
    world.put(ask(msgspec.structs.replace(check, status_on_error=503), PRIVATE), there=False)
    assert world.ask("/private").status == 503
    path = f"/private/unasked/{check.name}"
    assert world.ask(path).status == 503
    assert world.details(path).response.response_code_details == "ext_authz_error"
    world.put(ask(msgspec.structs.replace(check, fail_open=True), PRIVATE), there=False)
    assert world.ask("/private").status == 200


def test_denial_and_allowance_are_judged_after_it(world: World, check: ExternalCheck) -> None:
    closed = policy(Action.DENY, rule(operations=(need(Attribute.PATH, Exact("/private/x")),)), name="no")
    world.put(ask(check, PRIVATE), closed)
    assert [world.ask("/private/x").status, world.ask("/private/y").status] == [403, 200]
    assert len(world.books[check.name].asked) == 2


def test_the_log_names_the_rule_about_which_was_asked(world: World, check: ExternalCheck) -> None:
    world.put(ask(check, PRIVATE))
    path = f"/private/{check.name}"
    assert world.ask(path, x_say="no").status == 403
    entry = world.details(path)
    assert entry.response.response_code_details == "ext_authz_denied"
    told = entry.common_properties.metadata.filter_metadata["envoy.filters.http.rbac"].fields
    assert "AuthorizationPolicy/shop/custom/spec.rules[0]" in {v.string_value for v in told.values()}


def test_bytes_are_asked_about_over_grpc_and_denied_over_http(world: World) -> None:
    world.put(ask(GRPC, rule()))
    assert world.heard()
    assert len(world.books["g"].asked) == 1
    world.put(ask(GRPC, rule()), there=False)
    assert not world.heard()
    world.put(ask(HTTP, rule()))
    assert not world.heard()
    world.put(ask(HTTP, rule(operations=(need(Attribute.PORT, Exact("8080")),))))
    assert world.heard()


def test_a_staged_policy_asks_nobody(world: World, check: ExternalCheck) -> None:
    world.put(msgspec.structs.replace(ask(check, rule()), staged=True))
    assert world.ask(x_say="no").status == 200
    assert world.books[check.name].asked == []


def test_an_audit_is_in_the_log_and_changes_no_verdict(world: World) -> None:
    world.put(policy(Action.AUDIT, rule(operations=(need(Attribute.PATH, Prefix("/audited")),)), name="watch"))
    assert [world.ask("/audited/1").status, world.ask("/other").status, world.heard()] == [200, 200, True]
    told = world.details("/audited/1").common_properties.metadata.filter_metadata["envoy.filters.http.rbac"].fields
    assert told["audit_shadow_engine_result"].string_value == "denied"
    assert told["audit_shadow_effective_policy_id"].string_value == "AuthorizationPolicy/shop/watch/spec.rules[0]"
