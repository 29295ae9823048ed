"""RBAC filters; what Envoy makes of them is in tests/netns/test_mesh_authorization.py."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.base.problems import Origin
from tandem.compile.envoy.rbac import MATCHERS, network_rbac, per_route_rbac
from tandem.ir.authz import Action, Attribute, AuthzPolicy, AuthzRule, Requirement, Suffix, Template, Text
from tandem.ir.mesh import Exact, Prefix, Present

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


def test_what_closes_matches_a_path_in_every_spelling() -> None:
    asked = Requirement(attribute=Attribute.PATH, values=(Prefix("/a"), Template("/b/*")))
    rule = AuthzRule(operations=((asked,),), origin=AT)
    (allowed,) = the_rule(Action.ALLOW, rule)["permissions"]
    assert allowed["or_rules"]["rules"][0] == {"url_path": {"path": {"prefix": "/a"}}}
    (denied,) = the_rule(Action.DENY, rule)["permissions"]
    assert denied["or_rules"]["rules"][0]["url_path"]["path"]["safe_regex"]["regex"].endswith("+a.*")
    assert "uri_template" in denied["or_rules"]["rules"][1]


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
    assert set(body["rbac"]) == {"shadow_rules"}


def test_denial_comes_first() -> None:
    both = [policy(Action.ALLOW, AuthzRule(origin=AT)), policy(Action.DENY, AuthzRule(origin=AT))]
    assert [f["name"] for f in network_rbac(both, "in")] == ["rbac-deny", "rbac-allow"]
