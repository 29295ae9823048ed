"""The filter that asks; what Envoy makes of it is in tests/netns/test_mesh_external.py."""

from __future__ import annotations

from typing import Any

import msgspec

from meshbuild import attached
from tandem.base.problems import Origin
from tandem.compile.envoy.filters.external import compile_external, external, network_external
from tandem.compile.envoy.rbac import HTTP
from tandem.ir.authz import Action, AuthzPolicy, AuthzRule, CheckBody, ExternalCheck
from tandem.ir.fabric import LocalPod
from tandem.ir.mesh import Exact, Present
from tandem.state.xds import ENVOY

AT = Origin(kind="AuthorizationPolicy", namespace="shop", name="ask", path="spec.rules[0]")
GRPC = ExternalCheck(name="p", namespace="foo", service="auth", port=9000, grpc=True, timeout_ms=500)
OVER_HTTP = msgspec.structs.replace(GRPC, grpc=False, port=8000)


def pod(check: ExternalCheck | None, *, staged: bool = False) -> LocalPod:
    asking = AuthzPolicy(action=Action.CUSTOM, rules=(AuthzRule(origin=AT),), origin=AT, check=check, staged=staged)
    return attached("a", "10.0.0.1", authorization=(asking,) if check else ()).pod


def config(check: ExternalCheck) -> Any:
    return compile_external(pod(check)).body["typed_config"]


def test_every_pod_has_the_filter_and_one_that_asks_nobody_does_nothing() -> None:
    _, asks = external(pod(None), {"name": "rules"})
    assert asks["name"] == compile_external(pod(None)).name
    for quiet in (pod(None), pod(GRPC, staged=True)):
        assert compile_external(quiet).body["typed_config"] == {"@type": ENVOY + HTTP}


def test_it_asks_where_a_rule_holds_and_closes_what_gets_no_answer() -> None:
    made = config(GRPC)
    assert made["filter_enabled_metadata"]["path"] == [{"key": "asked_shadow_engine_result"}]
    assert (made["failure_mode_allow"], made["status_on_error"]) == (False, {"code": 403})
    assert made["grpc_service"] == {
        "envoy_grpc": {"cluster_name": "mirror/uid-a/svc/foo/auth/9000", "authority": "auth.foo"},
        "timeout": "0.500s",
    }
    assert compile_external(pod(GRPC)).origins == {AT}


def test_over_http_every_list_is_told() -> None:
    lists = {
        "request_headers": (Exact("x"),),
        "upstream_on_allow": (Present(),),
        "downstream_on_deny": (Exact("y"),),
        "downstream_on_allow": (Exact("z"),),
    }
    made = config(
        msgspec.structs.replace(
            OVER_HTTP, path_prefix="/c", added_headers=(("a", "b"),), body=CheckBody(max_bytes=9), **lists
        )
    )
    service = made["http_service"]
    assert service["path_prefix"] == "/c"
    assert service["authorization_request"] == {"headers_to_add": [{"key": "a", "value": "b"}]}
    assert set(service["authorization_response"]) == {
        "allowed_upstream_headers",
        "allowed_client_headers",
        "allowed_client_headers_on_success",
    }
    assert made["allowed_headers"] == {"patterns": [{"exact": "x", "ignore_case": True}]}
    assert made["with_request_body"]["max_request_bytes"] == 9


def test_about_bytes_only_grpc_is_asked() -> None:
    assert [f["name"] for f in network_external(pod(GRPC), "in")] == ["rbac-custom", "ask/uid-a"]
    assert network_external(pod(OVER_HTTP), "in") == []
    assert network_external(pod(None), "in") == []
