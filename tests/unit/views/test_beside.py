"""What a rule and a Service have beside the way, and what of that an explanation says in its first line."""

from __future__ import annotations

from typing import Any

import pytest

from builders import policy
from meshworlds import dr, faults, httproute, limit_at, parent, to, trafficpolicy, vs
from tandem.model.meta import Object
from unit.views.test_explain import WEB, ask


def beside(*objects: Object) -> list[tuple[str, str]]:
    lines = ask(*objects).route
    return [(line.text, str(line.rule)) for line in lines if line.layer in {"fault", "patience", "limits"}]


def web(**rule: Any) -> Object:
    return vs("v", ns="shop", hosts=["web"], http=[{"route": [to("web")], **rule}])


def percent(value: float) -> dict[str, Any]:
    return {"percentage": {"value": value}}


def test_a_fault_that_answers_everything_is_the_answer() -> None:
    found = ask(web(fault={"abort": {"httpStatus": 503, **percent(100)}}))
    assert not found.allowed
    told = "100 of 100 are answered with 503 (VirtualService shop/v spec.http[0].fault)"
    assert found.summary.endswith(f": fault answers with 503: {told}")
    assert (found.ways, [o.path for o in found.decided_by]) == ((), ["spec.http[0].fault"])


def test_a_fault_of_some_requests_is_told_beside_the_verdict() -> None:
    fault = {"abort": {"grpcStatus": "INTERNAL", **percent(5)}, "delay": {"fixedDelay": "2s", "percent": 10}}
    found = ask(web(fault=fault))
    assert found.allowed
    told = "10 of 100 wait for 2s, 5 of 100 are answered with INTERNAL"
    assert found.summary.endswith(f": allowed, mtls; but {told} (VirtualService shop/v spec.http[0].fault)")


def test_a_fault_without_a_percentage_is_none() -> None:
    assert beside(web(fault={"abort": {"httpStatus": 503}})) == []


def test_a_faultinjection_that_answers_everything_is_the_answer_too() -> None:
    route = httproute(
        "hr", ns="shop", parentRefs=[parent("web")], rules=[{"backendRefs": [{"name": "web", "port": 80}]}]
    )
    found = ask(route, faults(limit_at("HTTPRoute", "hr"), ns="shop", abort={"httpStatus": 418}))
    assert "fault answers with 418" in found.summary


def test_patience_of_a_virtualservice() -> None:
    retries = {"attempts": 5, "retryOn": "5xx", "perTryTimeout": "1s"}
    assert beside(web(timeout="0.2s", retries=retries)) == [
        ("who has no answer after 200 ms is answered with 504", "VirtualService shop/v spec.http[0]"),
        ("tries again up to 5 times on 5xx, 1s each", "VirtualService shop/v spec.http[0].retries"),
    ]


def test_patience_of_an_httproute() -> None:
    rule = {
        "timeouts": {"request": "2s", "backendRequest": "500ms"},
        "retry": {"codes": [500, 503], "attempts": 3},
        "backendRefs": [{"name": "web", "port": 80}],
    }
    route = httproute("hr", ns="shop", parentRefs=[parent("web")], rules=[rule])
    assert beside(route) == [
        ("who has no answer after 2000 ms is answered with 504", "HTTPRoute shop/hr spec.rules[0]"),
        ("each try may take 500ms", "HTTPRoute shop/hr spec.rules[0].timeouts.backendRequest"),
        ("tries again up to 3 times on 500, 503", "HTTPRoute shop/hr spec.rules[0].retry"),
    ]


POOL = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 2}}
FULL = "at one time, of all pods of a node together: what is more is answered with 503"
REST = {"consecutive5xxErrors": 0, "consecutiveGatewayErrors": 3, "baseEjectionTime": "60s"}
RESTS = "an endpoint that fails 3 times in a row gets nothing for 60s; at most 10 of 100 at one time"


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"trafficPolicy": {"connectionPool": POOL, "outlierDetection": REST}}, "spec.trafficPolicy"),
        (
            {
                "trafficPolicy": {
                    "connectionPool": {"tcp": {"maxConnections": 9}},
                    "portLevelSettings": [{"port": {"number": 80}, "connectionPool": POOL, "outlierDetection": REST}],
                }
            },
            "spec.trafficPolicy.portLevelSettings[0]",
        ),
    ],
)
def test_limits_of_a_destinationrule(spec: dict[str, Any], path: str) -> None:
    assert beside(dr("web", ns="shop", host="web", **spec)) == [
        (f"at most 1 connections, 2 waiting requests {FULL}", f"DestinationRule shop/web {path}.connectionPool"),
        (RESTS, f"DestinationRule shop/web {path}.outlierDetection"),
    ]


def test_limits_of_a_subset_lie_over_those_of_the_host() -> None:
    subset = {"name": "v1", "labels": {"version": "v1"}, "trafficPolicy": {"connectionPool": POOL}}
    whole = {"connectionPool": {"tcp": {"maxConnections": 9}}, "outlierDetection": REST}
    rule = dr("web", ns="shop", host="web", subsets=[subset], trafficPolicy=whole)
    to_v1 = vs("v", ns="shop", hosts=["web"], http=[{"route": [to("web", "v1")]}])
    assert [rule for _, rule in beside(rule, to_v1)] == [
        "DestinationRule shop/web spec.subsets[0].trafficPolicy.connectionPool",
        "DestinationRule shop/web spec.trafficPolicy.outlierDetection",
    ]


def test_limits_of_a_trafficpolicy_come_before_those_of_a_destinationrule() -> None:
    rule = dr("web", ns="shop", host="web", trafficPolicy={"connectionPool": POOL, "outlierDetection": REST})
    ours = trafficpolicy(limit_at("Service", "web"), ns="shop", circuitBreaker={"requests": 7})
    assert beside(rule, ours) == [
        (f"at most 7 requests {FULL}", "TrafficPolicy shop/spread spec.circuitBreaker"),
        (RESTS, "DestinationRule shop/web spec.trafficPolicy.outlierDetection"),
    ]


def test_a_policy_that_forgets_dns_is_told_where_a_service_is_asked_about_and_not_at_an_address() -> None:
    peers = [{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]
    narrow = policy(
        "narrow", ns="shop", podSelector={"matchLabels": {"app": "client"}}, policyTypes=["Egress"], egress=peers
    )
    found = ask(narrow)
    assert found.allowed
    assert "; but the pod may not ask 10.96.0.10:53/UDP" in found.summary
    assert "(NetworkPolicy shop/narrow spec.egress)" in found.summary
    assert ask(narrow, to=f"{WEB.spec.cluster_ip}:80").summary.endswith(": allowed, mtls")


def test_limits_are_those_of_the_rule_that_selects_the_client() -> None:
    whole = dr("web", ns="shop", host="web", trafficPolicy={"connectionPool": {"tcp": {"maxConnections": 9}}})
    few = {"connectionPool": {"tcp": {"maxConnections": 3}}}
    own = dr("own", ns="shop", host="web", workloadSelector={"matchLabels": {"app": "client"}}, trafficPolicy=few)
    for rules, name in (((whole,), "web"), ((whole, own), "own")):
        ((_, told),) = beside(*rules)
        assert told == f"DestinationRule shop/{name} spec.trafficPolicy.connectionPool"
