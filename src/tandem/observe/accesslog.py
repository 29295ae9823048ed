"""Envoy's gRPC access log -> Flow. Pure: who is who comes from `Names`.

In: log name (`source|UID`, `outside|UID`, `destination|UID`, `refused|UID`, where UID is the pod whose listener it was)
and a StreamAccessLogsMessage. Out: one Flow per request or connection. What the node refused is DENIED, what failed on
the proxy's account is ERROR, everything else, also an application's own 500, is ALLOWED.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from tandem.base.grpc import status_name
from tandem.base.problems import Origin
from tandem.observe import flags
from tandem.observe.flow import Flow, Http, Layer, Party, Verdict
from tandem.observe.limited import limited
from tandem.observe.outcome import Behind, Outcome, of_connection, of_request
from tandem.state.xds import (
    ASKED,
    AUDITED,
    GRPC_STATUS,
    RBAC_METADATA,
    SHADOW_RESULT,
    SHADOW_RULE,
    STAGED_ALLOW,
    STAGED_DENY,
    UPSTREAM_IDENTITY,
)

_DENIED: Final = "a rule denies it"
_DEFAULT: Final = "the default inbound policy lets nobody of the kind in"
_DENIES: Final = {"Server": "nobody of the kind is authorized at the Server", "Pod": _DEFAULT, "Namespace": _DEFAULT}
_WOULD: Final = dict.fromkeys(_DENIES, "it is let in for an audit: nobody of the kind is authorized")
"""By the kind of what denies, or would, where that is no AuthorizationPolicy."""
_TROUBLE: Final = frozenset({"DI", "FI"})
"""Flags of what was delayed or answered on purpose."""
_RBAC: Final = "rbac_access_denied"
_TOKEN: Final = "jwt_authn_access_denied"  # noqa: S105 - no secret
_EXTERNAL: Final = {
    "ext_authz_denied": "the external authorizer refuses it",
    "ext_authz_error": "the external authorizer gave no answer",
}
UNANSWERED: Final = _EXTERNAL["ext_authz_error"]
"""The reason of a flow about which an external authorizer should have been asked."""
_REFUSED: Final = "the token is refused: "
UNKNOWN_KEY: Final = f"{_REFUSED}Jwks doesn't have key to match kid or alg from Jwt"
"""The reason of a flow whose token was signed by a key that the pod does not know."""
OUTSIDE: Final = "outside"
"""The route of requests for hosts that a pod does not see (`compile/names.py`)."""
EGRESS: Final = "egress"
"""In place of a pod's uid: what judges requests that leave a pod is the egress gateway's (docs/design/0062)."""
Rules = Callable[[str], tuple[Origin, ...]]


def _unknown(_cluster: str) -> Behind:
    return Behind()


def _reached(_uid: str, address: str, port: int) -> tuple[str, int]:
    return address, port


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the node knows of names."""

    node: str
    pod: Callable[[str], Party]
    """Pod uid -> the pod, an empty Party if it is gone."""
    party: Callable[[str], Party]
    """Address of a pod or Service -> what is there, only the address if that is all that is known."""
    route: Callable[[str], Origin | None]
    """Route name -> the manifest it came from."""
    fault: Callable[[str], Origin | None]
    """Route name -> the policy that makes trouble for its requests on purpose."""
    refused: Callable[[str, int], Origin | None]
    """(pod uid, port) -> what demands mTLS there."""
    outbound: Callable[[str], Origin | None]
    """Pod uid -> what says that it reaches nothing but what it sees."""
    authorized: Callable[[str, str], tuple[Origin, ...]]
    """(pod uid or EGRESS, name of a rule) -> the rule that denied; of an empty name: the policies of which none allows.
    """
    staged: Callable[[str], tuple[Origin, ...]]
    """Pod uid or EGRESS -> the staged policies of which one would have to allow."""
    authenticated: Callable[[str], tuple[Origin, ...]]
    """Pod uid -> the rules by which it takes tokens."""
    dialled: Callable[[str, str, int], tuple[str, int]] = _reached
    """(pod uid, address and port of the socket that was reached) -> those that the client dialled."""
    behind: Callable[[str], Behind] = _unknown
    """Cluster -> what is behind it."""


def flows_of(log_name: str, message: Any, names: Names) -> Iterator[Flow]:
    """The flows of one message; entries under a log name that is not ours are ignored."""
    kind, _, uid = log_name.partition("|")
    if kind not in {"source", "outside", "destination", "refused"}:
        return
    nowhere = kind == "outside"
    kind = "source" if nowhere else kind
    judging = EGRESS if kind == "source" else uid
    rules = partial(names.authorized, judging)
    for entry in message.http_logs.log_entry:
        flow = _http(_base(kind, uid, entry.common_properties, names), entry, rules, names)
        if entry.common_properties.route_name == OUTSIDE:
            yield _outside(flow, names.outbound(uid))
            continue
        flow = _troubled(flow, names.fault(entry.common_properties.route_name))
        flow = _without_token(flow, entry.response.response_code_details, names.authenticated, uid)
        flow = _looked_at(flow, entry.response.response_code_details, entry.common_properties, judging, names)
        yield limited(flow, entry.response.response_code_details, entry.common_properties.metadata.filter_metadata)
    for entry in message.tcp_logs.log_entry:
        if nowhere:
            yield _outside(_base(kind, uid, entry.common_properties, names), names.outbound(uid))
            continue
        flow = _tcp(_base(kind, uid, entry.common_properties, names), entry, rules, names)
        details = entry.common_properties.connection_termination_details
        yield _looked_at(flow, details, entry.common_properties, judging, names)


def _host(cluster: str) -> str:
    """`namespace/host` of a host that was told by its name: its address says nothing (`compile/names.py`)."""
    kind, _, rest = cluster.partition("/")
    namespace, _, name = rest.partition("/")
    host = name.partition("/")[0]
    return f"{namespace}/{host}" if kind == "svc" and "." in host else ""


def _outside(flow: Flow, rule: Origin | None) -> Flow:
    reason = "no Service and no ServiceEntry that the pod sees has it (outboundTrafficPolicy REGISTRY_ONLY)"
    rules = (rule,) if rule is not None else ()
    return msgspec.structs.replace(flow, verdict=Verdict.DENIED, direction="egress", reason=reason, rules=rules)


def _base(kind: str, uid: str, common: Any, names: Names) -> Flow:
    """Parties, time, TLS and the verdict `refused` gives; the rest is the entry's."""
    client, client_port = _address(common.downstream_direct_remote_address)
    dialled, dialled_port = _address(common.downstream_local_address)
    own = names.pod(uid)
    upstream_address, upstream_port = _address(common.upstream_remote_address)
    peer = _identity(common.tls_properties.peer_certificate_properties)
    proved = _proved(common.custom_tags)
    if kind == "source":
        source = msgspec.structs.replace(own, address=client or own.address, port=client_port)
        front = names.party(dialled)
        reached = names.party(upstream_address) if upstream_address else front
        destination = msgspec.structs.replace(
            reached,
            address=dialled,
            port=dialled_port,
            service=front.service or _host(common.upstream_cluster),
            identity=proved or reached.identity,
        )
    else:
        found = names.party(client)
        source = msgspec.structs.replace(found, address=client, port=client_port, identity=peer or found.identity)
        dialled, dialled_port = names.dialled(uid, dialled, dialled_port)
        destination = msgspec.structs.replace(own, address=dialled or own.address, port=dialled_port)
    denied = kind == "refused"
    rule = names.refused(uid, dialled_port) if denied else names.route(common.route_name)
    return Flow(
        time=common.start_time.seconds + common.start_time.nanos / 1e9,
        node=names.node,
        verdict=Verdict.DENIED if denied else Verdict.ALLOWED,
        layer=Layer.L7,
        protocol="TCP",
        source=source,
        destination=destination,
        reporter="source" if kind == "source" else "destination",
        direction="ingress" if denied else "",
        reason="the pod accepts mutual TLS only" if denied else "",
        rules=(rule,) if rule is not None else (),
        tls=bool(proved if kind == "source" else peer),
        upstream=f"{upstream_address}:{upstream_port}" if upstream_address and kind == "source" else "",
    )


def _http(flow: Flow, entry: Any, rules: Rules, names: Names) -> Flow:
    common, request, response = entry.common_properties, entry.request, entry.response
    code, details = response.response_code.value, response.response_code_details
    methods = request.DESCRIPTOR.fields_by_name["request_method"].enum_type.values_by_number
    # 0 is METHOD_UNSPECIFIED: one that Envoy has no number for.
    method = methods[request.request_method].name if request.request_method else ""
    grpc = status_name(common.custom_tags.get(GRPC_STATUS, ""))
    http = Http(
        method=method,
        path=request.original_path or request.path,
        authority=request.authority,
        code=code,
        grpc=grpc,
        flags=flags.short(common.response_flags),
        duration_ms=round(common.duration.seconds * 1000 + common.duration.nanos / 1e6),
        request_id=request.request_id,
    )
    flow = msgspec.structs.replace(flow, protocol="HTTP", http=http)
    if flow.verdict is Verdict.DENIED:
        return flow
    if details.startswith(_RBAC):
        return _denied(flow, details, rules)
    # A proxy of the other side, which may have answered in its place, has proved who it is.
    last = flow.reporter == "destination" or not flow.tls
    return _became(flow, of_request(entry, grpc, names.behind(_cluster(flow, common)), last=last))


def _cluster(flow: Flow, common: Any) -> str:
    """Where nobody was chosen Envoy names none: without a route it is that of the Service that was dialled."""
    service = flow.destination.service if not flow.rules else ""
    return common.upstream_cluster or (f"svc/{service}/{flow.destination.port}" if service else "")


def _became(flow: Flow, found: Outcome) -> Flow:
    verdict = Verdict.ERROR if found.failed else flow.verdict
    rules = tuple(dict.fromkeys((*flow.rules, *found.rules)))
    return msgspec.structs.replace(flow, verdict=verdict, reason=found.reason, rules=rules)


def _tcp(flow: Flow, entry: Any, rules: Rules, names: Names) -> Flow:
    common = entry.common_properties
    if flow.verdict is Verdict.DENIED:
        return flow
    if common.connection_termination_details.startswith(_RBAC):
        return _denied(flow, common.connection_termination_details, rules)
    return _became(flow, of_connection(common, names.behind(_cluster(flow, common))))


def _denied(flow: Flow, details: str, rules: Rules) -> Flow:
    """Envoy names the rule that denied, or `none` where no rule allowed."""
    name = details.partition("[")[2].rpartition("]")[0]
    found = rules("" if name == "none" else name)
    reason = _DENIES.get(found[0].kind if found else "", _DENIED) if name != "none" else "no rule allows it"
    return msgspec.structs.replace(flow, verdict=Verdict.DENIED, direction=_side(flow), reason=reason, rules=found)


def _side(flow: Flow) -> str:
    return "egress" if flow.reporter == "source" else "ingress"


def _troubled(flow: Flow, policy: Origin | None) -> Flow:
    """With the policy that delayed it, or had it answered."""
    made = flow.http is not None and not _TROUBLE.isdisjoint(flow.http.flags.split(","))
    return msgspec.structs.replace(flow, rules=(policy,)) if made and policy is not None else flow


def _without_token(flow: Flow, details: str, rules: Rules, uid: str) -> Flow:
    """Denied for the token that came with it, for the reason that Envoy gives."""
    if flow.verdict is Verdict.DENIED or not details.startswith(_TOKEN):
        return flow
    why = details.partition("{")[2].rpartition("}")[0].replace("_", " ")
    return msgspec.structs.replace(
        flow, verdict=Verdict.DENIED, direction="ingress", reason=f"{_REFUSED}{why}", rules=rules(uid)
    )


def _looked_at(flow: Flow, details: str, common: Any, uid: str, names: Names) -> Flow:
    """With what rules found that decide nothing: those of audits, of staged policies, of what is asked elsewhere."""
    holding = _holding(common.metadata.filter_metadata)
    if not holding and details not in _EXTERNAL:
        return flow

    def rule(prefix: str) -> tuple[Origin, ...]:
        return names.authorized(uid, holding[prefix]) if holding.get(prefix) else ()

    if AUDITED in holding:
        flow = msgspec.structs.replace(flow, audited=rule(AUDITED))
    why = _EXTERNAL.get(details, "")
    if why:
        asking = rule(ASKED) or flow.rules  # of a policy, or of a gateway's route
        flow = msgspec.structs.replace(flow, verdict=Verdict.DENIED, direction="ingress", reason=why, rules=asking)
    if flow.verdict is Verdict.ALLOWED and holding.keys() & {STAGED_DENY, STAGED_ALLOW}:
        rules = rule(STAGED_DENY) or names.staged(uid)
        text = _WOULD.get(rules[0].kind if rules else "", "a staged AuthorizationPolicy would deny it")
        flow = msgspec.structs.replace(flow, verdict=Verdict.STAGED, direction=_side(flow), reason=text, rules=rules)
    return flow


def _holding(metadata: Any) -> dict[str, str]:
    """Prefix -> the name of the rule by which rules that look on would deny; empty where no rule allows."""
    found: dict[str, str] = {}
    for space in RBAC_METADATA:
        fields = metadata[space].fields if space in metadata else {}
        for prefix in (AUDITED, ASKED, STAGED_DENY, STAGED_ALLOW):
            if prefix + SHADOW_RESULT in fields and fields[prefix + SHADOW_RESULT].string_value == "denied":
                rule = prefix + SHADOW_RULE
                found[prefix] = fields[rule].string_value if rule in fields else ""
    return found


def _address(message: Any) -> tuple[str, int]:
    return message.socket_address.address, message.socket_address.port_value


def _proved(tags: Any) -> str:
    """The SPIFFE id that the upstream proved; Envoy writes `-` for none."""
    value = str(tags.get(UPSTREAM_IDENTITY, ""))
    return value if value.startswith("spiffe://") else ""


def _identity(certificate: Any) -> str:
    uris = [san.uri for san in certificate.subject_alt_name if san.uri.startswith("spiffe://")]
    return uris[0] if uris else ""
