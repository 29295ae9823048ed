"""Route configurations."""

from __future__ import annotations

from typing import Any

from meshbuild import service
from tandem.base.problems import Origin
from tandem.compile.envoy.action import retry_policy
from tandem.compile.envoy.route import compile_route_config
from tandem.compile.envoy.scope import PortScope
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import Backend, Forward, HeaderEdit, Respond, Retry, Route, RouteMatch, RouteTable

WEB = service("web", "10.96.0.1", ("http", 80, AppProtocol.HTTP))
ORIGIN = Origin(kind="HTTPRoute", namespace="shop", name="web", path="spec.rules[0]")
SELF = Backend(namespace="shop", service="web")


def route(action: Forward | Respond, *matches: RouteMatch, **fields: Any) -> Route:
    return Route(name="r", matches=matches, action=action, origin=ORIGIN, **fields)


def routes(*given: Route) -> list[Any]:
    table = RouteTable(namespace="shop", service="web", routes=given) if given else None
    body: Any = compile_route_config(PortScope(service=WEB, port=WEB.ports[0], table=table)).body
    (host,) = body["virtual_hosts"]
    assert host["domains"] == ["*"]
    made: list[Any] = host["routes"]
    return made


def test_without_a_table_everything_goes_to_the_service_with_the_default_retries() -> None:
    (made,) = routes()
    assert made["name"] == "default"
    assert made["route"]["cluster"] == "svc/shop/web/80"
    assert made["route"]["retry_policy"]["num_retries"] == 2


def test_a_table_of_which_nothing_applies_leaves_the_service_as_it_is() -> None:
    (made,) = routes(route(Respond(status=403), RouteMatch(ports=(81,))))
    assert made["name"] == "default"


def test_each_match_is_a_route_with_the_name_and_the_origin() -> None:
    made = routes(route(Respond(status=204), RouteMatch(), RouteMatch()))
    assert [m["name"] for m in made] == ["r", "r"]
    origin = made[0]["metadata"]["filter_metadata"]["tandem.io"]["origin"]
    assert origin == {"kind": "HTTPRoute", "name": "web", "namespace": "shop", "path": "spec.rules[0]"}


def test_the_config_names_the_rules_that_it_realises() -> None:
    table = RouteTable(namespace="shop", service="web", routes=(route(Respond(status=204)),))
    assert compile_route_config(PortScope(service=WEB, port=WEB.ports[0], table=table)).origins == {ORIGIN}


def test_shares_of_weight_zero_get_nothing() -> None:
    backends = (
        Backend(namespace="shop", service="a", port=1, weight=0),
        Backend(namespace="shop", service="b", port=2),
    )
    (made,) = routes(route(Forward(backends=backends)))
    assert made["route"]["cluster"] == "svc/shop/b/2"


def test_shares_go_by_weight() -> None:
    backends = tuple(Backend(namespace="shop", service="web", subset=s, weight=w) for s, w in (("v1", 90), ("v2", 10)))
    (made,) = routes(route(Forward(backends=backends)))
    assert made["route"]["weighted_clusters"]["clusters"] == [
        {"name": "svc/shop/web/80/v1", "weight": 90},
        {"name": "svc/shop/web/80/v2", "weight": 10},
    ]


def test_a_backend_that_does_not_exist_is_answered_with_the_status_asked_for() -> None:
    (made,) = routes(route(Forward(backends=(SELF,), missing_status=500)))
    assert made["route"]["cluster_not_found_response_code"] == "INTERNAL_SERVER_ERROR"
    (nothing,) = routes(route(Forward(backends=(), missing_status=500)))
    assert nothing["direct_response"] == {"status": 500}


def test_direct_responses_carry_their_body() -> None:
    (made,) = routes(route(Respond(status=418, body="tea")))
    assert made["direct_response"] == {"status": 418, "body": {"inline_string": "tea"}}


def test_no_timeout_is_written_out_because_envoys_default_is_15_seconds() -> None:
    assert routes(route(Forward(backends=(SELF,))))[0]["route"]["timeout"] == "0s"
    assert routes(route(Forward(backends=(SELF,)), timeout_ms=500))[0]["route"]["timeout"] == "0.500s"


def test_no_retry_means_none() -> None:
    assert retry_policy(None) == {}
    assert retry_policy(Retry(attempts=0)) == {}


def test_retries_try_another_host() -> None:
    policy = retry_policy(Retry(attempts=3, per_try_timeout_ms=2000, retry_on=("5xx",), retriable_codes=(409,)))
    made = policy["retry_policy"]
    assert (made["num_retries"], made["per_try_timeout"]) == (3, "2s")
    assert made["retry_on"] == "5xx,retriable-status-codes"
    assert made["retriable_status_codes"] == [409]
    assert made["retry_host_predicate"][0]["typed_config"]["@type"].endswith("PreviousHostsPredicate")


def test_header_values_stand_and_the_authority_is_rewritten() -> None:
    edit = HeaderEdit(set=(("host", "other"), ("x", "50%%")), add=(("y", "1"),), remove=("z",))
    (made,) = routes(route(Forward(backends=(SELF,)), request_headers=edit, response_headers=HeaderEdit(remove=("s",))))
    assert made["route"]["host_rewrite_literal"] == "other"
    assert [(h["header"]["key"], h["header"]["value"]) for h in made["request_headers_to_add"]] == [
        ("x", "50%%"),
        ("y", "1"),
    ]
    assert [h["append_action"] for h in made["request_headers_to_add"]] == [
        "OVERWRITE_IF_EXISTS_OR_ADD",
        "APPEND_IF_EXISTS_OR_ADD",
    ]
    assert made["request_headers_to_remove"] == ["z"]
    assert made["response_headers_to_remove"] == ["s"]
