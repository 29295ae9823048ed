"""What ServiceDefaults of Consul let a client's calls to a Service take: limits, failures, time to connect.

Judged on the objects, for `tandem explain`; shares no code with translation.
"""

from __future__ import annotations

from collections.abc import Iterator

from tandem.model.consuldefaults import ServiceDefaults, Upstream, UpstreamConfig
from tandem.model.core import Pod, Service
from tandem.model.world import World
from tandem.reference.request import Share, Step


def of_calls(world: World, client: Pod, share: Share) -> Iterator[Step]:
    """By the first Service of the client, by name, that says anything of its calls."""
    for source, asked in sorted(_said(world, client), key=lambda one: one[0].key):
        home = source.metadata.namespace
        named = [one for one in asked.overrides if world.get(Service, one.namespace or home, one.name) is not None]
        if not any(map(_counts, (*named, asked.defaults))):
            continue
        mine = next((o for o in named if (o.namespace or home, o.name) == (share.namespace, share.service)), None)
        told = list(_told(mine or Upstream(), asked.defaults or Upstream()))
        if told:
            i = asked.overrides.index(mine) if mine is not None else -1
            path = f"overrides[{i}]" if i >= 0 else "defaults"
            text = f"calls of Service {'/'.join(source.key)}, of all its pods of a node together: {', '.join(told)}"
            yield Step(text=text, origin=source.origin(f"spec.upstreamConfig.{path}"))
        return


def _said(world: World, client: Pod) -> Iterator[tuple[ServiceDefaults, UpstreamConfig]]:
    for source in world.all(ServiceDefaults).values():
        service, asked = world.get(Service, *source.key), source.spec.upstream_config
        if service is None or asked is None or source.metadata.namespace != client.metadata.namespace:
            continue
        wanted = service.spec.selector
        if wanted and wanted.items() <= client.metadata.labels.items():
            yield source, asked


def _counts(asked: Upstream | None) -> bool:
    return asked is not None and bool(list(_told(asked, Upstream())))


def _told(own: Upstream, others: Upstream) -> Iterator[str]:
    """What is said of one comes before what is said of all, part by part."""
    connect = own.connect_timeout_ms or others.connect_timeout_ms
    if connect:
        yield f"{connect} ms to connect"
    limits, health = own.limits or others.limits, own.passive_health_check or others.passive_health_check
    if limits is not None:
        pairs = (
            (limits.max_connections, "connections"),
            (limits.max_pending_requests, "waiting requests"),
            (limits.max_concurrent_requests, "requests"),
        )
        yield from (f"at most {count} {what}" for count, what in pairs if count is not None)
    if health is not None and health.enforcing_consecutive_5xx != 0:
        yield f"an endpoint that fails {health.max_failures or 5} times in a row rests"
