"""Which AuthorizationPolicies judge a pod, and what their rules ask."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import pod
from meshworlds import authz
from tandem.ir.authz import Action, Attribute, AuthzPolicy, AuthzRule, ExternalCheck, Requirement, Suffix, Template
from tandem.ir.mesh import Exact, Prefix, Present, Regex
from tandem.model.security import AuthorizationPolicy
from tandem.model.world import World
from tandem.translate.mesh.istio.authorization import AuthorizationIndex, one_authorizer

ROOT = "istio-system"
CHECK = ExternalCheck(name="known", namespace="foo", service="auth", port=9000, grpc=True, timeout_ms=1000)


def index(*policies: AuthorizationPolicy) -> AuthorizationIndex:
    return AuthorizationIndex(World.of(policies), ROOT, {"known": CHECK, "broken": "its port is closed"})


def names(*policies: AuthorizationPolicy, ns: str = "default", **labels: str) -> list[str]:
    return [p.origin.name for p in index(*policies).policies(pod("p", namespace=ns, labels=labels))]


def one(**spec: Any) -> AuthzPolicy:
    found = index(authz(**spec))
    assert found.problems == ()
    (policy,) = found.policies(pod("p"))
    return policy


def rule(**spec: Any) -> AuthzRule:
    (found,) = one(rules=[spec]).rules
    return found


def wrongs(**spec: Any) -> tuple[list[tuple[str, str]], AuthzPolicy]:
    found = index(authz(**spec))
    (policy,) = found.policies(pod("p"))
    return [(p.at.path, p.code) for p in found.problems], policy


def test_a_policy_is_for_the_pods_of_its_namespace_that_it_selects() -> None:
    web = authz("web", selector={"matchLabels": {"app": "web"}}, rules=[{}])
    every = authz("every", rules=[{}])
    root = authz("root", ns=ROOT, rules=[{}])
    assert names(web, every, root, app="web") == ["every", "root", "web"]
    assert names(web, every, root, app="db") == ["every", "root"]
    assert names(web, every, root, ns="other", app="web") == ["root"]


def test_denial_stands_first() -> None:
    assert names(authz("a", rules=[{}]), authz("b", action="DENY", rules=[{}])) == ["b", "a"]


def test_no_rules_allow_nothing_and_an_empty_rule_everything() -> None:
    assert one().rules == ()
    assert rule() == AuthzRule(origin=authz().origin("spec.rules[0]"))


def test_values_are_exact_prefixes_suffixes_or_anything() -> None:
    source = {"principals": ["a", "a*", "*a", "*"], "notNamespaces": ["x"]}
    (found,) = rule(**{"from": [{"source": source}]}).sources
    assert found == (
        Requirement(attribute=Attribute.PRINCIPAL, values=(Exact("a"), Prefix("a"), Suffix("a"), Present())),
        Requirement(attribute=Attribute.NAMESPACE, refuses=(Exact("x"),)),
    )


def test_a_star_may_stand_anywhere_in_a_namespace_and_once_in_a_trust_domain() -> None:
    source = {"namespaces": ["*a.b*", "a*b"], "trustDomains": ["a*b*"]}
    (found,) = rule(**{"from": [{"source": source}]}).sources
    assert [r.values for r in found] == [
        (Regex("[^/]*a\\.b[^/]*"), Regex("a[^/]*b")),
        (Regex("a[^/]*b\\*"),),
    ]


def test_a_source_may_be_the_subject_of_a_token() -> None:
    (found,) = rule(**{"from": [{"source": {"requestPrincipals": ["i/s"], "notRequestPrincipals": ["*"]}}]}).sources
    assert found == (Requirement(attribute=Attribute.TOKEN_SUBJECT, values=(Exact("i/s"),), refuses=(Present(),)),)


def test_a_service_account_without_a_namespace_is_of_the_policy_s() -> None:
    (found,) = rule(**{"from": [{"source": {"serviceAccounts": ["a", "b/c"]}}]}).sources
    assert found[0].values == (Exact("default/a"), Exact("b/c"))


def test_paths_may_be_templates() -> None:
    (found,) = rule(to=[{"operation": {"paths": ["/a/{*}/b/{**}"], "ports": ["80"]}}]).operations
    assert [r.values for r in found] == [(Exact("80"),), (Template("/a/*/b/**"),)]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("request.headers[X-One]", Requirement(attribute=Attribute.HEADER, name="x-one", values=(Exact("1"),))),
        ("source.ip", Requirement(attribute=Attribute.PEER_ADDRESS, values=(Exact("1"),))),
        ("source.trustDomain", Requirement(attribute=Attribute.TRUST_DOMAIN, values=(Exact("1"),))),
        ("destination.port", Requirement(attribute=Attribute.PORT, values=(Exact("1"),))),
        ("request.auth.principal", Requirement(attribute=Attribute.TOKEN_SUBJECT, values=(Exact("1"),))),
        ("request.auth.audiences", Requirement(attribute=Attribute.CLAIM, claim=("aud",), values=(Exact("1"),))),
        ("request.auth.presenter", Requirement(attribute=Attribute.CLAIM, claim=("azp",), values=(Exact("1"),))),
        (
            "request.auth.claims[a.b][c]",
            Requirement(attribute=Attribute.CLAIM, claim=("a.b", "c"), values=(Exact("1"),)),
        ),
        ("connection.sni", Requirement(attribute=Attribute.SNI, values=(Exact("1"),))),
    ],
)
def test_conditions(key: str, expected: Requirement) -> None:
    assert rule(when=[{"key": key, "values": ["1"]}]).when == (expected,)


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"when": [{"key": "experimental.envoy.filters.x", "values": ["b"]}]}, "spec.rules[0].when[0].key"),
        ({"to": [{"operation": {"paths": ["/a{*}"]}}]}, "spec.rules[0].to[0].operation.paths[0]"),
        ({"to": [{"operation": {"paths": ["/{**}/{**}"]}}]}, "spec.rules[0].to[0].operation.paths[0]"),
    ],
)
def test_a_rule_that_cannot_be_judged_is_closed(part: Any, path: str) -> None:
    found, allows = wrongs(rules=[part, {}])
    assert found == [(path, "UnsupportedField")]
    assert [r.origin.path for r in allows.rules] == ["spec.rules[1]"]
    _, denies = wrongs(action="DENY", rules=[part])
    assert denies.rules == (AuthzRule(origin=authz().origin("spec.rules[0]")),)


@pytest.mark.parametrize(("name", "words"), [("x", "no extensionProvider 'x'"), ("broken", "its port is closed")])
def test_who_cannot_be_asked_denies_everything(name: str, words: str) -> None:
    found = index(authz(action="CUSTOM", provider={"name": name}, rules=[{}]))
    (told,) = found.problems
    assert (told.at.path, told.code) == ("spec.provider.name", "ProviderNotFound")
    assert words in told.text
    (policy,) = found.policies(pod("p"))
    assert (policy.action, len(policy.rules)) == (Action.DENY, 1)


def test_a_custom_policy_says_whom_to_ask_about_what() -> None:
    made = one(action="CUSTOM", provider={"name": "known"}, rules=[{"to": [{"operation": {"paths": ["/a"]}}]}])
    assert (made.action, made.check, len(made.rules)) == (Action.CUSTOM, CHECK, 1)


def test_a_pod_has_one_authorizer_and_what_others_would_be_asked_is_denied() -> None:
    other = msgspec.structs.replace(CHECK, name="other")
    found = AuthorizationIndex(
        World.of([authz(n, action="CUSTOM", provider={"name": p}, rules=[{}]) for n, p in PAIRS]),
        ROOT,
        {"known": CHECK, "other": other},
    )
    judging, problems = one_authorizer(found.policies(pod("p")))
    assert [(p.origin.name, p.action) for p in judging] == [
        ("a", Action.CUSTOM),
        ("c", Action.CUSTOM),
        ("b", Action.DENY),
    ]
    assert [(p.at.name, p.at.path, p.code) for p in problems] == [("b", "spec.provider.name", "ProviderConflict")]


PAIRS = (("a", "known"), ("b", "other"), ("c", "known"))


def test_what_is_attached_elsewhere_denies_everything() -> None:
    found, policy = wrongs(targetRefs=[{"group": "networking.istio.io", "kind": "ServiceEntry", "name": "g"}])
    assert found == [("spec.targetRefs[0]", "UnsupportedField")]
    assert len(policy.rules) == 1


def test_an_action_that_nobody_here_knows_denies_everything() -> None:
    known = authz(rules=[{}])
    spec = msgspec.structs.replace(known.spec, action="PONDER")
    found = index(msgspec.structs.replace(known, spec=spec))
    assert [(p.at.path, p.code) for p in found.problems] == [("spec.action", "UnsupportedField")]
    (policy,) = found.policies(pod("p"))
    assert (policy.action, len(policy.rules)) == (Action.DENY, 1)


def test_an_audit_has_rules_that_only_look_on() -> None:
    made = one(action="AUDIT", rules=[{}])
    assert (made.action, len(made.rules)) == (Action.AUDIT, 1)
    found, policy = wrongs(action="AUDIT", rules=[{"when": [{"key": "experimental.envoy.filters.x", "values": ["b"]}]}])
    assert (found, policy.rules) == ([("spec.rules[0].when[0].key", "UnsupportedField")], ())


def test_a_dry_run_is_staged() -> None:
    found = index(authz(notes={"istio.io/dry-run": "T"}, rules=[{}]), authz("b", notes={"tandem.io/staged": "true"}))
    assert all(policy.staged for policy in found.policies(pod("p")))
