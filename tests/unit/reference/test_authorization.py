"""Istio's authorization, judged on the objects."""

from __future__ import annotations

from typing import Any

import pytest

from builders import pod, service
from meshworlds import authz
from tandem.model import core
from tandem.model.security import AuthorizationPolicy
from tandem.model.world import World
from tandem.reference.authorization import Asked, AuthzDecision, decide_authorization, speaks_grpc, speaks_http

A = "cluster.local/ns/shop/sa/a"
WEB = pod("web", labels={"app": "web"})


def judge(*policies: AuthorizationPolicy, **asked: Any) -> AuthzDecision:
    given = {"principal": A, "source": "10.0.0.2", "destination": "10.0.0.3", "port": 80, **asked}
    return decide_authorization(World.of(policies), WEB, Asked(**given))


def allowed(*policies: AuthorizationPolicy, **asked: Any) -> bool:
    return judge(*policies, **asked).allowed


def rule(**spec: Any) -> AuthorizationPolicy:
    return authz(rules=[spec])


def test_nothing_said_is_allowed_and_no_rules_allow_nothing() -> None:
    assert allowed()
    assert not allowed(authz())
    assert allowed(authz(selector={"matchLabels": {"app": "db"}}))
    assert not allowed(authz(ns="istio-system"))


def test_denial_comes_first_and_is_named() -> None:
    found = judge(
        authz("all", rules=[{}]),
        authz("no", action="DENY", rules=[{"to": [{"operation": {"paths": ["/x"]}}]}]),
        path="/x",
    )
    assert [str(o) for o in found.by] == ["AuthorizationPolicy default/no spec.rules[0]"]


def test_what_none_allows_names_them_all() -> None:
    found = judge(authz("one"), authz("two"))
    assert [o.name for o in found.by] == ["one", "two"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"principals": [A]}, True),
        ({"principals": ["*/sa/a"]}, True),
        ({"namespaces": ["sh*"]}, True),
        ({"namespaces": ["*ho*"]}, True),
        ({"namespaces": ["s*x"]}, False),
        ({"trustDomains": ["c*al"]}, True),
        ({"trustDomains": ["c*a*"]}, False),
        ({"serviceAccounts": ["shop/a"]}, True),
        ({"serviceAccounts": ["a"]}, False),
        ({"trustDomains": ["cluster.local"]}, True),
        ({"ipBlocks": ["10.0.0.0/30"], "notIpBlocks": ["10.0.0.2"]}, False),
        ({"notPrincipals": ["*"]}, False),
    ],
)
def test_sources(source: Any, expected: bool) -> None:  # noqa: FBT001
    assert allowed(rule(**{"from": [{"source": source}]})) is expected


def test_who_proved_nothing_is_nobody() -> None:
    assert not allowed(rule(**{"from": [{"source": {"principals": ["*"]}}]}), principal="")
    assert allowed(rule(**{"from": [{"source": {"notPrincipals": [A]}}]}), principal="")


def test_bytes_close_what_is_about_requests() -> None:
    about = {"to": [{"operation": {"methods": ["GET"], "ports": ["80"]}}]}
    assert not allowed(rule(**about), parsed=False)
    assert not allowed(authz(action="DENY", rules=[about]), parsed=False, method="POST")
    assert allowed(authz(action="DENY", rules=[about]), parsed=False, port=81)


def test_no_spelling_gets_around_a_denial() -> None:
    closed = authz(action="DENY", rules=[{"to": [{"operation": {"paths": ["/admin*"]}}]}])
    assert not any(allowed(closed, path=p) for p in ("/admin", "//admin/x", "/%2fadmin"))
    assert allowed(closed, path="/other")


def test_conditions_and_hosts() -> None:
    assert allowed(rule(when=[{"key": "request.headers[x-a]", "values": ["1"]}]), headers={"x-a": "1"})
    assert not allowed(rule(when=[{"key": "request.headers[x-a]", "values": ["1"]}]))
    assert not allowed(rule(when=[{"key": "source.namespace", "notValues": ["shop"]}]))
    assert allowed(rule(to=[{"operation": {"hosts": ["*.TEST"]}}]), host="a.test")
    assert allowed(rule(to=[{"operation": {"paths": ["/a/{*}"]}}]), path="/a/b?q")


def test_what_cannot_be_judged_is_closed() -> None:
    foreign = {"when": [{"key": "experimental.envoy.filters.x", "values": ["b"]}]}
    assert not allowed(rule(**foreign))
    assert not allowed(authz(action="DENY", rules=[foreign]))
    assert not allowed(authz(action="CUSTOM", provider={"name": "x"}, rules=[{}]))


def test_an_audit_records_and_changes_nothing() -> None:
    found = judge(authz(action="AUDIT", rules=[{"to": [{"operation": {"paths": ["/a"]}}]}]), path="/a")
    assert (found.allowed, [str(o) for o in found.audits]) == (True, ["AuthorizationPolicy default/ap spec.rules[0]"])


def test_a_dry_run_decides_nothing() -> None:
    assert allowed(authz(notes={"istio.io/dry-run": "T"}))


def test_which_ports_speak_http() -> None:
    ports = [core.ServicePort(port=1, name=n) for n in ("http", "grpc-web", "mysql", "https")]
    assert [speaks_http(p) for p in ports] == [True, True, False, False]
    assert speaks_http(core.ServicePort(port=1, name="x", app_protocol="kubernetes.io/h2c"))


CLAIMS = {"iss": "i", "sub": "s", "groups": ["dev", "ops"], "org": {"team": "red"}, "aud": "web", "azp": "cli"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"from": [{"source": {"requestPrincipals": ["i/s"]}}]}, True),
        ({"from": [{"source": {"requestPrincipals": ["i/*"]}}]}, True),
        ({"from": [{"source": {"requestPrincipals": ["j/*"]}}]}, False),
        ({"from": [{"source": {"notRequestPrincipals": ["*"]}}]}, False),
        ({"when": [{"key": "request.auth.principal", "values": ["*/s"]}]}, True),
        ({"when": [{"key": "request.auth.claims[groups]", "values": ["ops"]}]}, True),
        ({"when": [{"key": "request.auth.claims[org][team]", "values": ["r*"]}]}, True),
        ({"when": [{"key": "request.auth.claims[org]", "values": ["*"]}]}, False),
        ({"when": [{"key": "request.auth.audiences", "values": ["web"]}]}, True),
        ({"when": [{"key": "request.auth.presenter", "notValues": ["cli"]}]}, False),
    ],
)
def test_what_a_token_says(spec: Any, expected: bool) -> None:  # noqa: FBT001
    assert allowed(rule(**spec), claims=CLAIMS) is expected
    assert not allowed(rule(**spec), claims=CLAIMS, parsed=False), "bytes have no token"


def test_without_a_token_only_a_negation_holds() -> None:
    assert not allowed(rule(**{"from": [{"source": {"requestPrincipals": ["*"]}}]}))
    assert allowed(rule(**{"from": [{"source": {"notRequestPrincipals": ["*"]}}]}))


def test_a_policy_of_a_service_is_for_the_pods_behind_it() -> None:
    behind = authz(targetRefs=[{"kind": "Service", "name": "web"}])
    given = Asked(principal=A, source="10.0.0.2", destination="10.0.0.3", port=80)
    for selector, expected in (({"app": "web"}, False), ({"app": "db"}, True)):
        world = World.of([behind, service("web", selector=selector)])
        assert decide_authorization(world, WEB, given).allowed is expected


def test_a_port_of_grpc_says_so_by_protocol_or_name() -> None:
    def says(name: str, app: str = "") -> bool:
        return speaks_grpc(core.ServicePort(port=1, name=name, app_protocol=app))

    assert [says("grpc"), says("grpc-x"), says("grpc-web"), says("x", "grpc"), says("x", "grpc-web")] == [True] * 5
    assert [says("grpc", "http"), says("x", "kubernetes.io/h2c"), says("grpcx"), says("", "grpc-x")] == [False] * 4
