"""What a limit takes of a request, as Envoy's rate limit actions; and, for its own buckets, what of that has one. Pure.

Whoever counts elsewhere is asked about descriptors whose entries are, in this order: `policy` (NAMESPACE/NAME/TARGET),
`limit` (its index), `when` where it has matches or ports, and each thing that it is counted by.
"""

from __future__ import annotations

from typing import Final, assert_never

from tandem.compile.envoy.claims import METADATA as TOKENS
from tandem.compile.envoy.claims import PAYLOAD
from tandem.compile.envoy.counting import condition, counted, failing
from tandem.compile.envoy.proto import Json, extension
from tandem.ir.limits import CountedBy, Key, Limit, RateLimit
from tandem.state.xds import LIMITS, ROUTE_METADATA

_EXPRESSION: Final = "extensions.rate_limit_descriptors.expr.v3.Descriptor"
_TRUE: Final = "true"
_NOBODY: Final = "-"
"""Requests that have nothing there are counted together, and do not go free."""


def actions_of(policy: RateLimit, limit: Limit, *, routed: bool) -> list[Json]:
    """A request that the limit is not about makes them fail, and no descriptor of it. `routed`: its route says it."""
    index = str(policy.limits.index(limit))
    path = [{"key": LIMITS}, {"key": policy.name}]
    metadata = {"descriptor_key": "policy", "metadata_key": {"key": ROUTE_METADATA, "path": path}}
    own = {"metadata": {**metadata, "source": "ROUTE_ENTRY"}} if routed else _fixed("policy", policy.name)
    when = condition(limit, policy.ports)
    asked = [_expression("when", failing(when))] if when else []
    return [own, _fixed("limit", index), *asked, *(_by(by) for by in limit.by)]


def entries_of(policy: RateLimit, limit: Limit) -> list[Json]:
    """The entries of its descriptors: one without a value has a bucket for each."""
    index = str(policy.limits.index(limit))
    when = [{"key": "when", "value": _TRUE}] if condition(limit, policy.ports) else []
    fixed = [{"key": "policy", "value": policy.name}, {"key": "limit", "value": index}, *when]
    return [*fixed, *({"key": key_of(by)} for by in limit.by)]


def key_of(by: CountedBy) -> str:
    """`namespace`, `header.x-user`, `claim.realm.roles`."""
    return ".".join((by.key.value, *((by.name,) if by.name else by.claim)))


def _by(by: CountedBy) -> Json:
    match by.key:
        case Key.NAMESPACE | Key.SERVICE_ACCOUNT | Key.ADDRESS:
            return _taken(key_of(by), LIMITS, (by.key.value,))
        case Key.CLAIM:
            return _taken(key_of(by), TOKENS, (PAYLOAD, *by.claim))
        case Key.HEADER | Key.PATH | Key.METHOD:
            return _expression(key_of(by), counted(by))
        case _:
            assert_never(by.key)


def _fixed(key: str, value: str) -> Json:
    return {"generic_key": {"descriptor_key": key, "descriptor_value": value}}


def _taken(key: str, space: str, path: tuple[str, ...]) -> Json:
    where = {"key": space, "path": [{"key": part} for part in path]}
    return {"metadata": {"descriptor_key": key, "metadata_key": where, "source": "DYNAMIC", "default_value": _NOBODY}}


def _expression(key: str, text: str) -> Json:
    return {"extension": extension("expression", _EXPRESSION, {"descriptor_key": key, "text": text})}
