"""An external authorizer (`ext_authz`): who is asked about requests to a pod or a gateway, and how. Pure.

Which requests are asked about is said by rules that a pod's routes carry, or a filter of a gateway, and that leave in
the metadata whether one of them holds; the filter asks where it does. Its configuration is a resource of its own, and
there is one that does nothing at least: a policy counts from the next request on, also on connections that are open.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from tandem.compile import names
from tandem.compile.envoy.claims import string
from tandem.compile.envoy.guarded import Guarded
from tandem.compile.envoy.proto import Json, any_of, discovered, extension, milliseconds
from tandem.compile.envoy.rbac import HTTP, check_of, network_asked, network_rbac
from tandem.ir.authz import ExternalCheck, Text
from tandem.ir.mesh import Backend, Present
from tandem.state.xds import ASKED, RBAC_METADATA, SHADOW_RESULT, Resource

TYPE: Final = "extensions.filters.http.ext_authz.v3.ExtAuthz"
NETWORK: Final = "extensions.filters.network.ext_authz.v3.ExtAuthz"


def external(to: Guarded, rules: Json) -> list[Json]:
    """The rules, and the filter that asks where one of them holds."""
    return [rules, discovered(names.check_filter(to.uid), TYPE, HTTP)]


def network_guards(to: Guarded, prefix: str) -> list[Json]:
    """What judges a connection of which only bytes are seen, before they are handed on."""
    return [*network_external(to, prefix), *network_rbac(to.authorization, prefix)]


def network_external(to: Guarded, prefix: str) -> list[Json]:
    """The same in a chain that carries bytes, of an authorizer that can be asked about them."""
    check = check_of(to.authorization)
    if check is None or not check.grpc:
        return []
    fields = {"stat_prefix": prefix, **_common(check, RBAC_METADATA[1])}
    fields |= grpc_service(check, _cluster(to, check), check.timeout_ms)
    return [network_asked(to.authorization, prefix), extension(names.check_filter(to.uid), NETWORK, fields)]


@lru_cache(maxsize=1024)
def compile_external(to: Guarded) -> Resource:
    """The configuration of the filter that asks."""
    name, check = names.check_filter(to.uid), check_of(to.authorization)
    if check is None:
        return Resource(name=name, body={"name": name, "typed_config": any_of(HTTP)})
    fields = {
        **_common(check, RBAC_METADATA[0]),
        "status_on_error": {"code": check.status_on_error},
        "clear_route_cache": check.clear_route_cache,
        **(grpc_service(check, _cluster(to, check), check.timeout_ms) if check.grpc else _http(to, check)),
        **_body(check),
    }
    asking = frozenset(p.origin for p in to.authorization if p.check is not None)
    return Resource(name=name, body={"name": name, "typed_config": any_of(TYPE, fields)}, origins=asking)


def _common(check: ExternalCheck, metadata: str) -> Json:
    """It asks where the rules have found one that holds."""
    path = [{"key": ASKED + SHADOW_RESULT}]
    holds = {"filter": metadata, "path": path, "value": {"string_match": {"exact": "denied"}}}
    return {"failure_mode_allow": check.fail_open, "transport_api_version": "V3", "filter_enabled_metadata": holds}


def _cluster(to: Guarded, check: ExternalCheck) -> str:
    return names.client_cluster(to.uid, names.service_cluster(check.namespace, check.service, check.port))


def grpc_service(asked: ExternalCheck | Backend, cluster: str, timeout_ms: int) -> Json:
    """Who is asked over gRPC, by that cluster."""
    service = {"cluster_name": cluster, "authority": _host(asked)}
    return {"grpc_service": {"envoy_grpc": service, "timeout": milliseconds(timeout_ms)}}


def _host(asked: ExternalCheck | Backend) -> str:
    """What whoever is asked is called; a host outside, by its own name."""
    return asked.service if "." in asked.service else f"{asked.service}.{asked.namespace}"


def server(asked: ExternalCheck | Backend, cluster: str, timeout_ms: int) -> Json:
    """Who is asked over HTTP, by that cluster."""
    uri = f"http://{_host(asked)}:{asked.port}"
    return {"server_uri": {"uri": uri, "cluster": cluster, "timeout": milliseconds(timeout_ms)}}


def _http(to: Guarded, check: ExternalCheck) -> Json:
    service: dict[str, Any] = {**server(check, _cluster(to, check), check.timeout_ms)}
    if check.path_prefix:
        service["path_prefix"] = check.path_prefix
    if check.added_headers:
        added = [{"key": name, "value": value} for name, value in check.added_headers]
        service["authorization_request"] = {"headers_to_add": added}
    answers = {
        "allowed_upstream_headers": check.upstream_on_allow,
        "allowed_client_headers": check.downstream_on_deny,
        "allowed_client_headers_on_success": check.downstream_on_allow,
    }
    told = {field: patterns(headers) for field, headers in answers.items() if headers}
    if told:
        service["authorization_response"] = told
    asked = {"allowed_headers": patterns(check.request_headers)} if check.request_headers else {}
    return {"http_service": service, **asked}


def patterns(headers: tuple[Text, ...]) -> Json:
    """Names of headers, in whatever case."""
    return {"patterns": [string(h) if isinstance(h, Present) else {**string(h), "ignore_case": True} for h in headers]}


def _body(check: ExternalCheck) -> Json:
    if check.body is None:
        return {}
    body = {"max_request_bytes": check.body.max_bytes, "allow_partial_message": check.body.partial}
    return {"with_request_body": {**body, "pack_as_bytes": check.body.raw}}
