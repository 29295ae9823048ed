"""Access log entries -> flows: who, whom, verdict, why."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.service.accesslog.v3 import als_pb2
from google.protobuf import json_format

from tandem.base.problems import Origin
from tandem.observe.accesslog import EGRESS, Names, flows_of
from tandem.observe.flow import Flow, Layer, Party, Verdict
from tandem.observe.outcome import Behind
from tandem.state.xds import UPSTREAM_IDENTITY

WEB = Party(namespace="shop", pod="web-1", identity="spiffe://cluster.local/ns/shop/sa/web", address="10.244.0.5")
DB = Party(namespace="shop", pod="db-1", identity="spiffe://cluster.local/ns/shop/sa/db", address="10.244.0.6")
ROUTE = Origin(kind="VirtualService", namespace="shop", name="db", path="spec.http[0]")
TOKENS = Origin(kind="RequestAuthentication", namespace="shop", name="ra")
TROUBLE = Origin(kind="FaultInjection", namespace="shop", name="slow")
STRICT = Origin(kind="PeerAuthentication", namespace="shop", name="strict")

PARTIES = {
    "10.244.0.5": WEB,
    "10.244.0.6": DB,
    "10.96.0.7": Party(address="10.96.0.7", service="shop/db"),
}
CLOSED = Origin(kind="Sidecar", namespace="shop", name="own", path="spec.outboundTrafficPolicy")
POOL = Origin(kind="DestinationRule", namespace="shop", name="db")
BEHIND = {"c": Behind(ends=2, policies=(POOL,), ejects=True), "svc/shop/db/80": Behind(policies=(POOL,))}
NAMES = Names(
    behind=lambda cluster: BEHIND.get(cluster, Behind()),
    node="n1",
    pod=lambda uid: {"u-web": WEB, "u-db": DB}.get(uid, Party()),
    party=lambda address: PARTIES.get(address, Party(address=address)),
    route={"r1": ROUTE}.get,
    fault={"r1": TROUBLE}.get,
    authorized=lambda uid, rule: (Origin(kind="AuthorizationPolicy", name=uid * (uid == EGRESS) or rule or "all"),),
    authenticated=lambda _: (TOKENS,),
    dialled=lambda uid, address, port: ("192.0.2.65", 80) if uid == "gateway/shop/edge" else (address, port),
    outbound=lambda uid: CLOSED if uid == "u-web" else None,
    staged=lambda _: (Origin(kind="AuthorizationPolicy", name="trial"),),
    refused=lambda uid, port: STRICT if (uid, port) == ("u-db", 8080) else None,
)


def at(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def http(log_name: str, *, response: dict[str, Any] | None = None, **common: Any) -> Flow:
    entry = {
        "common_properties": {
            "start_time": "2026-11-23T00:00:00.500Z",
            "duration": "0.012s",
            "downstream_direct_remote_address": at("10.244.0.5", 40000),
            "downstream_local_address": at("10.96.0.7", 80),
            **common,
        },
        "request": {"request_method": "GET", "path": "/v1", "authority": "db", "request_id": "id1"},
        "response": {"response_code": 200, "response_code_details": "via_upstream", **(response or {})},
    }
    return one(log_name, {"http_logs": {"log_entry": [entry]}})


def tcp(log_name: str, **common: Any) -> Flow:
    entry = {
        "downstream_direct_remote_address": at("10.244.0.5", 40000),
        "downstream_local_address": at("10.244.0.6", 8080),
        **common,
    }
    return one(log_name, {"tcp_logs": {"log_entry": [{"common_properties": entry}]}})


def one(log_name: str, tree: dict[str, Any]) -> Flow:
    (flow,) = flows_of(log_name, json_format.ParseDict(tree, als_pb2.StreamAccessLogsMessage()), NAMES)
    return flow


def test_a_request_as_its_client_sees_it() -> None:
    flow = http(
        "source|u-web",
        upstream_remote_address=at("10.244.0.6", 8080),
        upstream_cluster="svc/shop/db/80",
        route_name="r1",
    )
    assert (flow.verdict, flow.layer, flow.protocol, flow.reporter) == (Verdict.ALLOWED, Layer.L7, "HTTP", "source")
    assert (flow.source.pod, flow.source.port) == ("web-1", 40000)
    assert (flow.destination.pod, flow.destination.service, flow.destination.address) == (
        "db-1",
        "shop/db",
        "10.96.0.7",
    )
    assert flow.upstream == "10.244.0.6:8080"
    assert flow.rules == (ROUTE,)
    assert flow.http is not None
    assert (flow.http.method, flow.http.path, flow.http.code, flow.http.duration_ms) == ("GET", "/v1", 200, 12)
    assert flow.time == 1795392000.5


def test_a_request_as_its_server_sees_it_has_the_clients_identity() -> None:
    peer = {"peer_certificate_properties": {"subject_alt_name": [{"uri": WEB.identity}]}}
    flow = http("destination|u-db", downstream_local_address=at("10.244.0.6", 8080), tls_properties=peer)
    assert (flow.source.identity, flow.source.pod, flow.tls) == (WEB.identity, "web-1", True)
    assert (flow.destination.pod, flow.destination.port, flow.upstream) == ("db-1", 8080, "")


def test_a_plain_request_has_no_tls() -> None:
    assert http("destination|u-db").tls is False


def test_what_strict_mtls_refuses_is_denied_with_its_origin() -> None:
    flow = tcp("refused|u-db", response_flags={"no_healthy_upstream": True})
    assert (flow.verdict, flow.direction, flow.rules) == (Verdict.DENIED, "ingress", (STRICT,))
    assert flow.reason == "the pod accepts mutual TLS only"


def test_what_rbac_refuses_is_denied() -> None:
    details = {"response_code": 403, "response_code_details": "rbac_access_denied_matched_policy[x]"}
    flow = http("destination|u-db", response=details)
    assert (flow.verdict, flow.direction) == (Verdict.DENIED, "ingress")
    flow = tcp("destination|u-db", connection_termination_details="rbac_access_denied_matched_policy[x]")
    assert flow.verdict is Verdict.DENIED


@pytest.mark.parametrize(
    ("flag", "code", "short", "reason"),
    [
        ("upstream_connection_failure", 503, "UF", "no connection to the endpoint"),
        ("no_healthy_upstream", 503, "UH", "no endpoint to send to"),
        ("upstream_request_timeout", 504, "UT", "the endpoint did not answer in time"),
    ],
)
def test_a_failure_of_the_proxy_is_an_error_with_its_reason(flag: str, code: int, short: str, reason: str) -> None:
    answer = {"response_code": code, "response_code_details": "made_by_proxy"}
    flow = http("source|u-web", response=answer, response_flags={flag: True})
    assert (flow.verdict, flow.reason) == (Verdict.ERROR, reason)
    assert flow.http is not None
    assert flow.http.flags == short


def test_the_transports_reason_is_told() -> None:
    flow = tcp(
        "source|u-web",
        response_flags={"upstream_connection_failure": True},
        upstream_transport_failure_reason="certificate verify failed",
    )
    assert flow.reason == "no connection to the endpoint: certificate verify failed"
    assert flow.verdict is Verdict.ERROR


def test_an_applications_own_500_is_allowed() -> None:
    assert http("source|u-web", response={"response_code": 500}).verdict is Verdict.ALLOWED


def test_whether_the_application_answered_is_known_where_no_proxy_is_behind_this_one() -> None:
    for log in ("source|u-web", "destination|u-db"):
        assert http(log, response={"response_code": 503}).reason == "the application itself answers so"
    proved = {"custom_tags": {UPSTREAM_IDENTITY: str(DB.identity)}}
    behind_a_proxy = http("source|u-web", response={"response_code": 503}, **proved)
    assert (behind_a_proxy.tls, behind_a_proxy.reason) == (True, "")


def test_what_is_too_much_names_who_limits_it() -> None:
    full = {"response_code": 503, "response_code_details": "upstream_reset_before_response_started{overflow}"}
    flow = http("source|u-web", response=full, response_flags={"upstream_overflow": True}, upstream_cluster="c")
    assert (flow.verdict, flow.rules) == (Verdict.ERROR, (POOL,))


def test_where_nobody_was_chosen_the_service_that_was_dialled_says_who_limits_it() -> None:
    """Envoy tells the cluster with the endpoint."""
    full = {"response_code": 503, "response_code_details": "overflow"}
    flow = http("source|u-web", response=full, response_flags={"upstream_overflow": True})
    assert flow.rules == (POOL,)
    routed = http("source|u-web", response=full, response_flags={"upstream_overflow": True}, route_name="r1")
    assert routed.rules == (ROUTE,)


def test_a_client_that_leaves_is_no_error() -> None:
    flow = tcp("source|u-web", response_flags={"downstream_connection_termination": True})
    assert flow.verdict is Verdict.ALLOWED


def test_a_token_that_is_not_valid_is_a_denial_that_says_why() -> None:
    details = "jwt_authn_access_denied{Jwt_is_expired}"
    flow = http("destination|u-db", response={"response_code": 401, "response_code_details": details})
    assert (flow.verdict, flow.direction, flow.rules) == (Verdict.DENIED, "ingress", (TOKENS,))
    assert flow.reason == "the token is refused: Jwt is expired"


def looked(**found: str) -> dict[str, Any]:
    """What rules that look on have left: prefix -> the rule that holds."""
    fields = {f"{prefix}_shadow_engine_result": "denied" for prefix in found}
    fields |= {f"{prefix}_shadow_effective_policy_id": rule for prefix, rule in found.items() if rule}
    return {"metadata": {"filter_metadata": {"envoy.filters.http.rbac": fields}}}


def test_an_audit_is_told_beside_the_verdict() -> None:
    flow = http("destination|u-db", **looked(audited="x"))
    assert flow.audited == ()
    flow = http("destination|u-db", **looked(audit="r"))
    assert (flow.verdict, [o.name for o in flow.audited]) == (Verdict.ALLOWED, ["r"])
    assert [o.name for o in tcp("destination|u-db", **looked(audit="r")).audited] == ["r"]


@pytest.mark.parametrize(("found", "name"), [({"staged_deny": "r"}, "r"), ({"staged_allow": ""}, "trial")])
def test_what_a_staged_policy_would_deny_is_staged(found: dict[str, str], name: str) -> None:
    flow = http("destination|u-db", **looked(**found))
    assert (flow.verdict, [o.name for o in flow.rules]) == (Verdict.STAGED, [name])


@pytest.mark.parametrize(("details", "words"), [("ext_authz_denied", "refuses"), ("ext_authz_error", "no answer")])
def test_the_external_authorizer_denies_by_the_rule_about_which_it_was_asked(details: str, words: str) -> None:
    response = {"response_code": 403, "response_code_details": details}
    flow = http("destination|u-db", response=response, **looked(asked="r"))
    assert (flow.verdict, [o.name for o in flow.rules]) == (Verdict.DENIED, ["r"])
    assert words in flow.reason
    flow = http("destination|u-db", response=response, route_name="r1")
    assert (flow.verdict, flow.rules) == (Verdict.DENIED, (ROUTE,)), "a route asks"


def test_an_unknown_pod_is_told_by_address() -> None:
    flow = tcp("destination|gone", downstream_direct_remote_address=at("192.0.2.9", 1))
    assert (flow.source.address, flow.source.pod, flow.destination.address) == ("192.0.2.9", "", "10.244.0.6")


def test_a_foreign_log_is_ignored() -> None:
    message = json_format.ParseDict({"tcp_logs": {"log_entry": [{}]}}, als_pb2.StreamAccessLogsMessage())
    assert list(flows_of("other", message, NAMES)) == []


@pytest.mark.parametrize(("tag", "encrypted"), [("spiffe://cluster.local/ns/shop/sa/db", True), ("-", False)])
def test_the_source_tells_mtls_by_the_identity_that_the_upstream_proved(tag: str, encrypted: bool) -> None:  # noqa: FBT001
    assert http("source|u-web", custom_tags={"upstream_identity": tag}).tls is encrypted


def test_what_a_client_says_of_its_address_is_not_believed() -> None:
    said = {"downstream_remote_address": at("192.0.2.1", 1), "downstream_direct_remote_address": at("10.244.0.5", 2)}
    assert tcp("destination|gone", **said).source.address == "10.244.0.5"


def test_what_leaves_for_a_host_that_the_pod_does_not_see_is_denied() -> None:
    request = http("source|u-web", route_name="outside", response={"response_code": 502})
    bytes_only = tcp("outside|u-web", response_flags={"no_healthy_upstream": True})
    for flow in (request, bytes_only):
        assert (flow.verdict, flow.reporter, flow.direction, flow.rules) == (
            Verdict.DENIED, "source", "egress", (CLOSED,),
        )  # fmt: skip
    assert bytes_only.source.pod == WEB.pod


@pytest.mark.parametrize(
    ("status", "details", "name", "verdict"),
    [
        ("0", "via_upstream", "OK", Verdict.ALLOWED),
        ("14", "via_upstream", "UNAVAILABLE", Verdict.ALLOWED),
        ("14", "cluster_not_found", "UNAVAILABLE", Verdict.ERROR),
        ("12", "direct_response", "UNIMPLEMENTED", Verdict.ALLOWED),
        ("-", "via_upstream", "", Verdict.ALLOWED),
    ],
)
def test_a_call_of_grpc_failed_if_its_status_says_so(status: str, details: str, name: str, verdict: Verdict) -> None:
    found = http("source|u-web", response={"response_code_details": details}, custom_tags={"grpc_status": status})
    assert found.http is not None
    assert (found.http.grpc, found.verdict) == (name, verdict)


def test_a_host_outside_that_was_told_by_its_name_is_named() -> None:
    elsewhere = {"downstream_local_address": at("192.0.2.9", 80)}
    assert http("source|u-web", upstream_cluster="svc/shop/api.example.com/80/v1", **elsewhere).destination.service == (
        "shop/api.example.com"
    )
    assert http("source|u-web", upstream_cluster="passthrough", **elsewhere).destination.service == ""
    assert http("source|u-web", upstream_cluster="svc/shop/api.example.com/80").destination.service == "shop/db"


def test_trouble_on_purpose_names_the_policy_that_makes_it() -> None:
    delayed = http("source|u-web", route_name="r1", response_flags={"delay_injected": True})
    assert (delayed.verdict, delayed.rules) == (Verdict.ALLOWED, (TROUBLE,))
    aborted = http("source|u-web", response=refusal(503), route_name="r1", response_flags={"fault_injected": True})
    assert (aborted.verdict, aborted.rules) == (Verdict.ERROR, (TROUBLE,))
    assert http("source|u-web", route_name="r1").rules == (ROUTE,)


def refusal(code: int) -> dict[str, Any]:
    return {"response_code": code, "response_code_details": "fault_filter_abort"}


@pytest.mark.parametrize(
    ("log", "who", "side"), [("source|u-web", EGRESS, "egress"), ("destination|u-db", "all", "ingress")]
)
def test_what_leaves_a_pod_is_denied_by_the_egress_gateways_policies(log: str, who: str, side: str) -> None:
    denied = {"response_code": 403, "response_code_details": "rbac_access_denied_matched_policy[none]"}
    flow = http(log, response=denied)
    assert (flow.verdict, flow.direction, [rule.name for rule in flow.rules]) == (Verdict.DENIED, side, [who])
    raw = tcp(log, connection_termination_details="rbac_access_denied_matched_policy[none]")
    assert (raw.verdict, raw.direction, [rule.name for rule in raw.rules]) == (Verdict.DENIED, side, [who])
