"""upstreamConfig of ServiceDefaults -> what pods of the Service may take of others, with Problems. Pure.

What is said of one upstream comes before the defaults, part by part: the time to connect, limits, passive health.
Fields that have no counterpart are named, and do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from tandem.ir.calling import Calling, CallLimits
from tandem.ir.traffic import Outlier
from tandem.model.consuldefaults import PassiveHealthCheck, ServiceDefaults, Upstream, UpstreamLimits
from tandem.model.core import Service
from tandem.model.world import World
from tandem.translate.mesh.values import milliseconds

Wrong = Callable[[str, str, str], None]
_NOTHING: Final = CallLimits()
_ELSEWHERE: Final = {
    "partition": "there is one cluster here",
    "peer": "there is one cluster here",
    "envoyListenerJSON": "nobody writes into Envoy's configuration here",
    "envoyClusterJSON": "nobody writes into Envoy's configuration here",
    "protocol": "what a service speaks is said where it is",
}
_EJECTED: Final = 30_000
_OFTEN: Final = 10_000
_MOST: Final = 10


def read_calling(source: ServiceDefaults, world: World, wrong: Wrong) -> Calling | None:
    """What is said of the calls of one Service's pods; None: nothing that counts."""
    asked = source.spec.upstream_config
    if asked is None:
        return None
    home = source.metadata.namespace
    general = _limits(asked.defaults, "spec.upstreamConfig.defaults", wrong) if asked.defaults is not None else _NOTHING
    whole = asked.defaults or Upstream()
    named: dict[str, CallLimits] = {}
    for i, one in enumerate(asked.overrides):
        at = f"spec.upstreamConfig.overrides[{i}]"
        key = one.namespace or home, one.name
        if not one.name:
            wrong(f"{at}.name", "InvalidValue", "name the service that is called: it does not count")
        elif world.get(Service, *key) is None:
            wrong(f"{at}.name", "BackendNotFound", f"no Service {'/'.join(key)}: it does not count")
        elif "/".join(key) in named:
            wrong(f"{at}.name", "InvalidValue", f"{'/'.join(key)} has one already: this one does not count")
        else:
            said = _limits(one, at, wrong)
            named["/".join(key)] = _before(said, general, own=one, defaults=whole)
    named = {key: limits for key, limits in named.items() if general != _NOTHING or limits != _NOTHING}
    if general == _NOTHING and not named:
        return None
    return Calling(
        namespace=home,
        service=source.metadata.name,
        named=tuple(sorted(named.items())),
        general=None if general == _NOTHING else general,
        origin=source.origin("spec.upstreamConfig"),
    )


def _before(said: CallLimits, general: CallLimits, *, own: Upstream, defaults: Upstream) -> CallLimits:
    """What is said of one, and of the defaults the parts of which it says nothing."""
    found = said if own.connect_timeout_ms else msgspec.structs.replace(said, connect_ms=general.connect_ms)
    if own.limits is None and defaults.limits is not None:
        parts = {"connections": general.connections, "pending": general.pending, "requests": general.requests}
        found = msgspec.structs.replace(found, **parts)
    return found if own.passive_health_check is not None else msgspec.structs.replace(found, outlier=general.outlier)


def _limits(asked: Upstream, at: str, wrong: Wrong) -> CallLimits:
    for field, text in _unknown(asked):
        wrong(f"{at}.{field}", "UnsupportedField", f"{text}: the field does not count")
    limits = asked.limits or UpstreamLimits()
    return CallLimits(
        connections=limits.max_connections,
        pending=limits.max_pending_requests,
        requests=limits.max_concurrent_requests,
        connect_ms=asked.connect_timeout_ms,
        outlier=_outlier(asked.passive_health_check, f"{at}.passiveHealthCheck", wrong),
    )


def _unknown(asked: Upstream) -> Iterator[tuple[str, str]]:
    raw = msgspec.to_builtins(asked)
    yield from ((field, text) for field, text in _ELSEWHERE.items() if raw.get(field))
    if asked.mesh_gateway.mode not in {"", "none"}:
        yield "meshGateway.mode", "there is one cluster here, and no gateway between"


def _outlier(asked: PassiveHealthCheck | None, at: str, wrong: Wrong) -> Outlier | None:
    if asked is None:
        return None
    share = asked.enforcing_consecutive_5xx
    if share not in {None, 0, 100}:
        wrong(f"{at}.enforcingConsecutive5xx", "UnsupportedValue", f"{share} is neither 0 nor 100: it counts as 100")
    # As in Consul, where nothing is said Envoy's own numbers hold.
    return Outlier(
        errors=0 if share == 0 else asked.max_failures or 5,
        interval_ms=milliseconds(asked.interval) or _OFTEN,
        ejection_ms=milliseconds(asked.base_ejection_time) or _EJECTED,
        most_percent=_MOST if asked.max_ejection_percent is None else asked.max_ejection_percent,
    )
