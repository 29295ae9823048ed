"""Limits that are counted elsewhere, for all proxies together: Envoy's rate limit filter, which asks a server. Pure.

The server speaks `envoy.service.ratelimit.v3`. How many requests a limit allows goes along with each question, so that
it need not be told in two places. Without an answer the request is refused, unless the limit says otherwise. Of a
staged limit nothing is refused: what would be has a header in its answer, which the filter before this one takes away.
"""

from __future__ import annotations

from typing import Any, Final

from tandem.base.ids import PodUid
from tandem.compile import names
from tandem.compile.envoy.descriptors import actions_of
from tandem.compile.envoy.proto import Json, any_of, milliseconds
from tandem.ir.limits import Counter, Limit, RateLimit
from tandem.state.xds import LIMITS

ALLOWED: Final = "allowed"
"""Where in the metadata of a request the number stands that goes along."""
_TYPE: Final = "extensions.filters.http.ratelimit.v3.RateLimit"
_UNITS: Final = {1: "SECOND", 60: "MINUTE", 3600: "HOUR"}
UNAVAILABLE: Final = 503
FULL: Final = "x-envoy-ratelimited"
"""Of an answer, where the counter said that a limit is full."""


def allowed(limit: Limit) -> Json:
    """How many, and in which time, as the filter reads it."""
    return {"requests_per_unit": limit.requests, "unit": _UNITS[limit.seconds]}


def percent(number: int) -> Json:
    """Of a hundred."""
    return {"default_value": {"numerator": number, "denominator": "HUNDRED"}}


def retry_after(policy: RateLimit, seconds: int) -> dict[str, Any]:
    """What a refusal says of when to come back."""
    header = {"key": "retry-after", "value": str(seconds)}
    told = [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
    return {"response_headers_to_add": told} if policy.retry_after else {}


def counter_of(policy: RateLimit, limit: Limit, counter: Counter, client: PodUid | None, *, routed: bool) -> Json:
    """The filter of one limit."""
    service = {"cluster_name": _cluster(counter, client), "authority": f"{counter.service}.{counter.namespace}"}
    timeout = milliseconds(counter.timeout_ms)
    where = {"key": LIMITS, "path": [{"key": ALLOWED}]}
    rate = {"actions": actions_of(policy, limit, routed=routed), "limit": {"dynamic_metadata": {"metadata_key": where}}}
    fields = {
        "domain": counter.domain,
        "timeout": timeout,
        "failure_mode_deny": not (counter.fail_open or policy.staged),
        **({"filter_enforced": percent(0)} if policy.staged else {}),
        "status_on_error": {"code": UNAVAILABLE},
        "rate_limited_as_resource_exhausted": True,
        "disable_x_envoy_ratelimited_header": not policy.staged,
        **({"enable_x_ratelimit_headers": "DRAFT_VERSION_03"} if policy.tells and not policy.staged else {}),
        **retry_after(policy, limit.seconds),
        "rate_limit_service": {
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": service, "timeout": timeout},
        },
        "rate_limits": [rate],
    }
    return {"name": "counter", "typed_config": any_of(_TYPE, fields)}


def _cluster(counter: Counter, client: PodUid | None) -> str:
    """One that is not there has nobody who answers."""
    if not counter.service or client is None:
        return names.REFUSED
    return names.client_cluster(client, names.service_cluster(counter.namespace, counter.service, counter.port))
