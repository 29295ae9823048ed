"""What Servers deny at pods; that it is what the documents say is shown in tests/property/test_servers.py."""

from __future__ import annotations

from builders import namespace
from linkerdworlds import PROBED, WEB, allowing, at_route, by, judged, networks, noted, route, server
from tandem.base.problems import Origin
from tandem.ir.authz import AuthzPolicy
from tandem.ir.match import Exact


def ports(policy: AuthzPolicy) -> list[str]:
    return [v.value for r in policy.rules[:1] for q in r.operations[0][:1] for v in q.values]  # type: ignore[union-attr]


def test_a_server_denies_all_but_those_who_are_authorized() -> None:
    (policy,) = judged(server(), allowing("web", by("NetworkAuthentication", "nets")), networks("10.0.0.0/8")).policies
    (rule,) = policy.rules
    assert (ports(policy), len(rule.spares), policy.staged) == (["8080"], 1, False)
    assert rule.origin == Origin(kind="Server", namespace="default", name="web")
    assert {o.kind for o in policy.objects} == {"Server", "LinkerdAuthorizationPolicy", "NetworkAuthentication"}


def test_nothing_is_denied_where_everyone_is_let_in() -> None:
    assert judged(server(accessPolicy="all-unauthenticated")).policies[0].rules == ()
    assert judged(server(), allowing("web")).policies[0].rules == ()


def test_probes_are_spared_where_no_route_is_attached() -> None:
    (bare,) = judged(server(), at=PROBED).policies
    assert len(bare.rules[0].unless) == 1
    (routed,) = judged(server(), route("r"), at=PROBED).policies
    assert [len(rule.unless) for rule in routed.rules] == [0, 1]


def test_of_routes_the_more_specific_one_decides_and_what_none_is_about_is_denied() -> None:
    objects = (route("a", {"path": {"value": "/a"}}), route("all"), allowing(at_route("a"), by("ServiceAccount", "x")))
    (policy,) = judged(server(), *objects).policies
    first, second, rest = policy.rules
    assert (first.origin.path, len(first.spares)) == ("LinkerdHTTPRoute/a/rules[0].matches[0]", 1)
    assert (len(second.spares), second.unless) == (0, (first.operations[0][1:],))
    assert (rest.origin.path, len(rest.unless)) == ("", 2)


def test_an_audit_only_tells_but_what_no_route_is_about_is_denied() -> None:
    (told,) = judged(server(accessPolicy="audit")).policies
    assert (told.staged, len(told.rules)) == (True, 1)
    told, denied = judged(server(accessPolicy="audit"), route("a", {"path": {"value": "/a"}})).policies
    assert (told.staged, denied.staged) == (True, False)
    assert [rule.of_requests for rule in denied.rules] == [True]


def test_a_default_is_for_ports_that_no_server_selects_and_the_pods_own_goes_first() -> None:
    closed = noted(namespace("default"), "deny")
    _, default = judged(server(), closed).policies
    (rule,) = default.rules
    assert (rule.origin.kind, rule.origin.path) == (
        "Namespace",
        "metadata.annotations[config.linkerd.io/default-inbound-policy]",
    )
    assert [q.refuses for q in rule.operations[0]] == [(Exact("8080"),)]
    assert judged(closed, at=noted(WEB, "all-unauthenticated")).policies[0].rules == ()
    assert judged(noted(namespace("default"), "audit")).policies[0].staged


def test_ports_that_ask_for_an_identity_close_beside_servers_and_the_default() -> None:
    asking = noted(WEB, "", "8080,9090")
    (policy,) = judged(at=asking).policies
    (rule,) = policy.rules
    assert (ports(policy), len(rule.spares), policy.staged) == (["8080", "9090"], 1, False)
    assert rule.origin.path == "metadata.annotations[config.linkerd.io/proxy-require-identity-inbound-ports]"
    _, left = judged(server(), at=asking).policies
    assert ports(left) == ["9090"]
    assert len(judged(server(), server("b", port=9090), at=asking).policies) == 2
    _, every = judged(server(), at=noted(WEB, "", "http")).policies
    assert every.rules[0].operations[0][0].refuses == (Exact("8080"),)


def test_an_audit_asks_for_no_identity_and_the_pods_own_word_goes_first() -> None:
    default, asking = judged(at=noted(WEB, "audit", "8080")).policies
    assert (default.staged, asking.staged) == (True, True)
    (found,) = judged(noted(namespace("default"), "", "1-3"), at=noted(WEB, "", "9090")).policies
    assert ports(found) == ["9090"]
    (found,) = judged(noted(namespace("default"), "", "1-3"), at=WEB).policies
    assert (ports(found), found.origin.kind) == (["1", "2", "3"], "Namespace")
