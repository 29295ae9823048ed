"""RBAC filters; what Envoy makes of them is in tests/netns/test_mesh_authorization.py."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from tandem.base.problems import Origin
from tandem.compile.envoy.rbac import MATCHERS, network_asked, network_rbac, per_route_rbac
from tandem.ir.authz import (
    Action,
    Attribute,
    AuthzPolicy,
    AuthzRule,
    Contains,
    ExternalCheck,
    Requirement,
    Suffix,
    Template,
    Text,
)
from tandem.ir.mesh import Exact, Prefix, Present, Regex

AT = Origin(kind="AuthorizationPolicy", namespace="shop", name="p", path="spec.rules[0]")


def policy(action: Action, rule: AuthzRule, *, staged: bool = False) -> AuthzPolicy:
    return AuthzPolicy(action=action, rules=(rule,), origin=AT, staged=staged)


def the_rule(action: Action, rule: AuthzRule) -> Any:
    (body,) = per_route_rbac([policy(action, rule)]).values()
    return body["rbac"]["rules"]["policies"]["AuthorizationPolicy/shop/p/spec.rules[0]"]


def test_every_attribute_can_be_matched() -> None:
    assert set(MATCHERS) == set(Attribute)


def test_a_rule_that_asks_nothing_is_about_everything() -> None:
    assert the_rule(Action.DENY, AuthzRule(origin=AT)) == {
        "principals": [{"any": True}],
        "permissions": [{"any": True}],
    }


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        (Attribute.PRINCIPAL, Exact("td/ns/a/sa/b"), {"exact": "spiffe://td/ns/a/sa/b"}),
        (Attribute.PRINCIPAL, Suffix("/sa/b"), {"suffix": "/sa/b"}),
        (Attribute.PRINCIPAL, Present(), {"prefix": "spiffe://"}),
        (Attribute.NAMESPACE, Exact("a.b"), {"safe_regex": {"regex": r"spiffe://[^/]+/ns/a\.b/sa/[^/]+"}}),
        (Attribute.NAMESPACE, Prefix("a"), {"safe_regex": {"regex": "spiffe://[^/]+/ns/a[^/]*/sa/[^/]+"}}),
        (Attribute.SERVICE_ACCOUNT, Exact("a/b"), {"safe_regex": {"regex": "spiffe://[^/]+/ns/a/sa/b"}}),
        (Attribute.TRUST_DOMAIN, Exact("td"), {"safe_regex": {"regex": "spiffe://td/.*"}}),
    ],
)
def test_identities(attribute: Attribute, value: Text, expected: Any) -> None:
    rule = AuthzRule(sources=((Requirement(attribute=attribute, values=(value,)),),), origin=AT)
    (principal,) = the_rule(Action.ALLOW, rule)["principals"]
    assert principal == {"authenticated": {"principal_name": expected}}


def test_conditions_go_to_the_side_that_they_are_about() -> None:
    when = (
        Requirement(attribute=Attribute.NAMESPACE, values=(Exact("a"),)),
        Requirement(attribute=Attribute.HEADER, name="x", refuses=(Present(),)),
    )
    found = the_rule(Action.ALLOW, AuthzRule(when=when, origin=AT))
    assert "authenticated" in found["principals"][0]
    assert found["permissions"] == [{"not_rule": {"header": {"name": "x", "present_match": True}}}]


def spelled(action: Action, value: Text) -> str:
    asked = Requirement(attribute=Attribute.PATH, values=(value,))
    (found,) = the_rule(action, AuthzRule(operations=((asked,),), origin=AT))["permissions"]
    return str(found["url_path"]["path"]["safe_regex"]["regex"])


@pytest.mark.parametrize(
    ("value", "path", "closed"),
    [
        (Exact("/a"), "//a", True),
        (Exact("/a"), "/a/", False),
        (Prefix("/a/"), "/%2fa%5Cb", True),
        (Suffix("/b"), "/x%2Fb", True),
        (Template("/a/*/c"), "/a//b%2fc", True),
        (Template("/a/**"), "//a/b/c", True),
        (Template("/a/*"), "/b/a/c", False),
        (Exact("/a"), "/x/..%2fa", True),
        (Exact("/a"), "/x%2f%2E%2e/a", True),
        (Exact("/a"), "/x/.hidden", False),
        (Exact("/a"), "/x/a..b/", False),
    ],
)
def test_what_closes_matches_a_path_in_every_spelling(value: Text, path: str, *, closed: bool) -> None:
    assert (re.fullmatch(spelled(Action.DENY, value), path) is not None) is closed


def test_what_opens_by_a_pattern_does_not_open_where_escaped_dots_may_lead() -> None:
    for value in (Prefix("/a"), Suffix("/a"), Template("/a/*")):
        asked = Requirement(attribute=Attribute.PATH, values=(value,))
        (found,) = the_rule(Action.ALLOW, AuthzRule(operations=((asked,),), origin=AT))["permissions"]
        matches, clear = found["and_rules"]["rules"]
        assert matches.keys() & {"url_path", "uri_template"}
        unclear = clear["not_rule"]["url_path"]["path"]["safe_regex"]["regex"]
        assert re.fullmatch(unclear, "/a/..%2fb")
        assert not re.fullmatch(unclear, "/a/b%2fc..d")


def test_bytes_have_no_requests() -> None:
    asked = Requirement(attribute=Attribute.METHOD, values=(Exact("GET"),))
    rule = AuthzRule(operations=((asked,),), origin=AT)
    (allow,) = network_rbac([policy(Action.ALLOW, rule)], "in")
    assert allow["typed_config"]["rules"] == {"action": "ALLOW", "policies": {}}
    (deny,) = network_rbac([policy(Action.DENY, rule)], "in")
    (judged,) = deny["typed_config"]["rules"]["policies"].values()
    assert judged["permissions"] == [{"any": True}]


def test_staged_policies_are_shadows() -> None:
    (body,) = per_route_rbac([policy(Action.DENY, AuthzRule(origin=AT), staged=True)]).values()
    assert body["rbac"]["shadow_rules_stat_prefix"] == "staged_deny_"
    assert "rules" not in body["rbac"]


@pytest.mark.parametrize(("action", "prefix"), [(Action.AUDIT, "audit_"), (Action.CUSTOM, "asked_")])
def test_what_looks_on_denies_nothing(action: Action, prefix: str) -> None:
    (body,) = per_route_rbac([policy(action, AuthzRule(origin=AT))]).values()
    assert body["rbac"]["shadow_rules_stat_prefix"] == prefix
    assert (body["rbac"]["shadow_rules"]["action"], "rules" in body["rbac"]) == ("DENY", False)
    assert per_route_rbac([policy(action, AuthzRule(origin=AT), staged=True)]) == {}


def test_about_bytes_nobody_is_asked_over_http() -> None:
    check = ExternalCheck(name="p", namespace="n", service="s", port=1, grpc=False, timeout_ms=1)
    asking = msgspec.structs.replace(policy(Action.CUSTOM, AuthzRule(origin=AT)), check=check)
    assert [f["name"] for f in network_rbac([asking], "in")] == ["rbac-deny"]
    over_grpc = msgspec.structs.replace(asking, check=msgspec.structs.replace(check, grpc=True))
    assert network_rbac([over_grpc], "in") == []
    assert network_asked([over_grpc], "in")["name"] == "rbac-custom"


def test_denial_comes_first() -> None:
    both = [policy(Action.ALLOW, AuthzRule(origin=AT)), policy(Action.DENY, AuthzRule(origin=AT))]
    assert [f["name"] for f in network_rbac(both, "in")] == ["rbac-deny", "rbac-allow"]


def test_what_a_denial_lets_through_matches_in_one_spelling_alone() -> None:
    path = Requirement(attribute=Attribute.PATH, values=(Exact("/a"),))
    method = Requirement(attribute=Attribute.METHOD, values=(Exact("GET"),))
    (one,) = the_rule(Action.DENY, AuthzRule(unless=((path,),), origin=AT))["permissions"]
    assert one == {"not_rule": {"url_path": {"path": {"exact": "/a"}}}}
    several = AuthzRule(operations=((method,),), unless=((path, method), ()), origin=AT)
    (found,) = the_rule(Action.DENY, several)["permissions"]
    asked, through = found["and_rules"]["rules"]
    assert asked["header"]["name"] == ":method"
    both, every = through["not_rule"]["or_rules"]["rules"]
    assert (len(both["and_rules"]["rules"]), every) == (2, {"any": True})


def test_bytes_are_let_through_by_nothing_that_asks_for_requests() -> None:
    path = Requirement(attribute=Attribute.PATH, values=(Exact("/a"),))
    (found,) = network_rbac([policy(Action.DENY, AuthzRule(unless=((path,),), origin=AT))], "x")
    assert "not_rule" not in str(found)


@pytest.mark.parametrize(
    ("path", "closed"),
    [("/a/b", True), ("/x", False), ("/x//b", True), ("/x%2Fb", True), ("/x\\b", True), ("/a/..%2fb", True)],
)
def test_a_pattern_that_denies_closes_what_may_be_another_spelling(path: str, *, closed: bool) -> None:
    assert (re.fullmatch(spelled(Action.DENY, Regex("/a/[a-z]")), path) is not None) is closed


def test_headers_may_contain_a_text_in_any_case() -> None:
    asked = Requirement(attribute=Attribute.HEADER, name="x", values=(Contains("a"), Regex("b+")))
    (found,) = the_rule(Action.ALLOW, AuthzRule(operations=((asked,),), origin=AT))["permissions"]
    kinds = [one["header"]["string_match"] for one in found["or_rules"]["rules"]]
    assert kinds == [{"contains": "a"}, {"safe_regex": {"regex": "b+"}}]
    loose = msgspec.structs.replace(asked, values=(Contains("a"),), ignore_case=True)
    (found,) = the_rule(Action.ALLOW, AuthzRule(operations=((loose,),), origin=AT))["permissions"]
    assert found["header"]["string_match"] == {"contains": "a", "ignore_case": True}


def test_of_who_asks_by_the_own_proxy_the_identity_is_known_and_other_addresses_open_nothing() -> None:
    name = Requirement(attribute=Attribute.NAMESPACE, values=(Exact("a"),), own=True)
    (who,) = the_rule(Action.ALLOW, AuthzRule(sources=((name,),), origin=AT))["principals"]
    assert who["filter_state"] == {
        "key": "envoy.tls.certificate_mappers.on_demand_secret",
        "string_match": {"safe_regex": {"regex": "spiffe://[^/]+/ns/a/sa/[^/]+"}},
    }
    own = AuthzRule(
        sources=((Requirement(attribute=Attribute.PEER_ADDRESS, values=(Exact("10.0.0.1"),), own=True),),), origin=AT
    )
    allowed, denied = (the_rule(action, own)["principals"][0] for action in (Action.ALLOW, Action.DENY))
    assert allowed == {"direct_remote_ip": {"address_prefix": "10.0.0.1", "prefix_len": 32}}
    inside = [one["direct_remote_ip"]["address_prefix"] for one in denied["or_ids"]["ids"]]
    assert inside == ["10.0.0.1", "127.0.0.0", "::1", "fe80::"]
