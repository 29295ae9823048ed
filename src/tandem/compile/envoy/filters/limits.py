"""Rate limits of the routes of one configuration, or of a pod -> one filter that counts them all. Pure.

The filter is a chain of filters, which a route configuration carries: first what takes down who asks, then two filters
for each limit. One says whose limit comes now, so that the log knows who refused; the other has the limit's buckets, or
asks who counts for all proxies together. A route says in its metadata which limits are its own, so that all routes that
one limit is for have the same buckets, however many matches and hosts there are. What a staged limit would refuse comes
to be metadata by way of a header: of the request, and where a server counts, of the answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from tandem.base.ids import PodUid
from tandem.compile.envoy.descriptors import actions_of, entries_of
from tandem.compile.envoy.filters.counters import ALLOWED, FULL, allowed, counter_of, percent, retry_after
from tandem.compile.envoy.proto import Json, any_of, extension, typed_struct
from tandem.compile.envoy.tls import IDENTITY_KEY
from tandem.ir.fabric import LocalPod
from tandem.ir.limits import Key, Limit, RateLimit
from tandem.state.xds import LIMIT, LIMITS, STAGED_LIMIT

NAME: Final = "limits"
_HTTP: Final = "extensions.filters.http."
_CHAIN: Final = f"{_HTTP}filter_chain.v3.FilterChainConfig"
_LOCAL: Final = f"{_HTTP}local_ratelimit.v3.LocalRateLimit"
_HEADER: Final = "x-tandem-limit-"
"""Headers that live from one filter of the chain to another."""
_OWN: Final = f"{_HEADER}own"
"""In place of the header by which a counter tells, where the answer has it from the application."""
_COUNTED: Final = "counted-"
_ENDLESS: Final = {"max_tokens": 4294967295, "tokens_per_fill": 4294967295, "fill_interval": "1s"}
"""Of requests that no limit of the filter is about."""
VALUES: Final = 10_000
"""Of one limit: so many values are counted apart. The one that was not seen for the longest time is forgotten."""
_ON: Final = "1"
_NAMESPACE: Final = {"pattern": {"regex": r"^spiffe://[^/]+/ns/([^/]+)/sa/.*$"}, "substitution": r"\1"}


def disabled() -> Json:
    """Its place in the chain."""
    return {"name": NAME, "typed_config": typed_struct(_CHAIN, {})}


def of_configuration(limits: Iterable[RateLimit], client: PodUid | None) -> dict[str, Json]:
    """By filter's name what a route configuration asks of it; `limits`: of all of its routes.

    `client`: the one by whose clusters counters are asked; a configuration without any needs none.
    """
    return _asked(limits, f"%FILTER_STATE({IDENTITY_KEY}:PLAIN)%", client, routed=True)


def of_pod(pod: LocalPod) -> dict[str, Json]:
    """The same of the one route of a pod, to whose proxy clients prove who they are."""
    return _asked(pod.limits, "%DOWNSTREAM_PEER_URI_SAN%", pod.uid, routed=False)


def names_of(limits: Iterable[RateLimit]) -> dict[str, Json]:
    """What the metadata of a route say of its limits."""
    found = {limit.name: limit.name for limit in limits}
    return {LIMITS: found} if found else {}


def _asked(limits: Iterable[RateLimit], identity: str, client: PodUid | None, *, routed: bool) -> dict[str, Json]:
    distinct = tuple(dict.fromkeys(limits))
    if not distinct:
        return {}
    filters = list(_filters(distinct, identity, client, routed=routed))
    return {NAME: typed_struct(f"{_CHAIN}PerRoute", {"filter_chain": {"filters": filters}})}


_Trials = list[tuple[RateLimit, Limit]]


def _filters(limits: tuple[RateLimit, ...], identity: str, client: PodUid | None, *, routed: bool) -> Iterator[Json]:
    keys = {by.key for limit in limits for one in limit.limits for by in one.by}
    staged: _Trials = [(limit, one) for limit in limits if limit.staged for one in limit.limits]
    here, asked = ([t for t in staged if (t[0].counter is None) is local] for local in (True, False))
    proved = {Key.NAMESPACE: identity, Key.SERVICE_ACCOUNT: identity}
    values = {**proved, Key.ADDRESS: "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"}
    written = {key: value for key, value in values.items() if key in keys}
    if written or here:
        yield _written(written, len(here))
    if written:
        yield _moved("taken", [_rule(key) for key in written])
    if asked:
        yield _of_the_answer("put back", [_copy(_OWN, FULL), {"remove": _OWN}])
    for limit in limits:
        for one in limit.limits:
            if limit.counter is not None:
                yield _told(limit, one)
                yield from [_answered(asked.index((limit, one)), one)] if limit.staged else []
                yield counter_of(limit, one, limit.counter, client, routed=routed)
            elif limit.staged:
                yield _local(limit, one, _staged_header(here.index((limit, one))), routed=routed)
            else:
                yield _told(limit, one)
                yield _local(limit, one, "", routed=routed)
    if here:
        yield _moved("staged", [_would(i, one) for i, (_, one) in enumerate(here)])
    if asked:
        yield _of_the_answer("kept", [{"remove": _OWN}, _copy(FULL, _OWN), {"remove": FULL}])


def _written(values: dict[Key, str], staged: int) -> Json:
    """What a client says in these headers is taken away first: a value that is not there is not written."""
    headers = {_HEADER + key.value.lower(): value for key, value in values.items()}
    mutations: list[Json] = [{"remove": name} for name in (*headers, *map(_staged_header, range(staged)))]
    for name, value in headers.items():
        written = {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        mutations.append({"append": written})
    fields = {"mutations": {"request_mutations": mutations}}
    return extension("written", f"{_HTTP}header_mutation.v3.HeaderMutation", fields)


def _of_the_answer(name: str, mutations: list[Json]) -> Json:
    """Filters see an answer in the opposite order: what an application says in the header itself is put aside."""
    fields = {"mutations": {"response_mutations": mutations}}
    return extension(name, f"{_HTTP}header_mutation.v3.HeaderMutation", fields)


def _copy(source: str, target: str) -> Json:
    header = {"key": target, "value": f"%RESP({source})%"}
    return {"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}


def _answered(index: int, limit: Limit) -> Json:
    """What takes the word of the counter that comes after it."""
    key = f"{STAGED_LIMIT}{_COUNTED}{index}"
    found = {"metadata_namespace": LIMITS, "key": key, "value": _origin(limit), "type": "STRING"}
    rule = {"header": FULL, "on_header_present": found, "remove": True}
    return extension("answered", f"{_HTTP}header_to_metadata.v3.Config", {"response_rules": [rule]})


def _moved(name: str, rules: list[Json]) -> Json:
    return extension(name, f"{_HTTP}header_to_metadata.v3.Config", {"request_rules": rules})


def _rule(key: Key) -> Json:
    found: dict[str, Any] = {"metadata_namespace": LIMITS, "key": key.value, "type": "STRING"}
    if key is Key.NAMESPACE:
        found["regex_value_rewrite"] = _NAMESPACE
    return {"header": _HEADER + key.value.lower(), "on_header_present": found, "remove": True}


def _staged_header(index: int) -> str:
    return f"{_HEADER}staged-{index}"


def _would(index: int, limit: Limit) -> Json:
    found = {"metadata_namespace": LIMITS, "key": f"{STAGED_LIMIT}{index}", "value": _origin(limit), "type": "STRING"}
    return {"header": _staged_header(index), "on_header_present": found, "remove": True}


def _told(policy: RateLimit, limit: Limit) -> Json:
    """Whose limit comes now, unless it refuses nothing, and how many the counter shall allow."""
    asked = {ALLOWED: allowed(limit)} if policy.counter is not None else {}
    refuses = {LIMIT: _origin(limit)} if not policy.staged else {}
    entry = {"metadata_namespace": LIMITS, "value": {**refuses, **asked}, "allow_overwrite": True}
    return extension("told", f"{_HTTP}set_metadata.v3.Config", {"metadata": [entry]})


def _origin(limit: Limit) -> str:
    return json.dumps(msgspec.to_builtins(limit.origin), sort_keys=True)


def _local(policy: RateLimit, limit: Limit, staged: str, *, routed: bool) -> Json:
    tells = {"x_ratelimit_option": "DRAFT_VERSION_03"} if policy.tells and not staged else {}
    fields = {
        "stat_prefix": NAME,
        "token_bucket": _ENDLESS,
        "always_consume_default_token_bucket": False,
        "max_dynamic_descriptors": VALUES,
        "filter_enabled": percent(100),
        "filter_enforced": percent(0 if staged else 100),
        "rate_limited_as_resource_exhausted": True,
        **retry_after(policy, -(-limit.seconds // limit.requests)),
        **({"request_headers_to_add_when_not_enforced": [{"header": {"key": staged, "value": _ON}}]} if staged else {}),
        "rate_limits": [{"actions": actions_of(policy, limit, routed=routed), **tells}],
        "descriptors": [{"entries": entries_of(policy, limit), "token_bucket": _bucket(limit)}],
    }
    return {"name": "limit", "typed_config": any_of(_LOCAL, fields)}


def _bucket(limit: Limit) -> Json:
    return {"max_tokens": limit.burst, "tokens_per_fill": limit.requests, "fill_interval": f"{limit.seconds}s"}
