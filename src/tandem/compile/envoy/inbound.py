"""A pod and the mTLS modes of its ports -> its inbound listener, a transparent socket inside the pod's namespace.

The chain is chosen by the port that was dialled and by what the client offers in its first bytes. A plain client of
a STRICT port meets a chain that opens nothing towards the application: not even a greeting can leak.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, assert_never

from tandem.compile import names
from tandem.compile.envoy import hcm, tls
from tandem.compile.envoy.cluster import follows_client
from tandem.compile.envoy.detection import REQUESTS, detecting_at
from tandem.compile.envoy.failed import UNTOLD
from tandem.compile.envoy.filters import inbound_per_route
from tandem.compile.envoy.filters.external import network_guards
from tandem.compile.envoy.peers import before_peers
from tandem.compile.envoy.proto import (
    BUFFER_BYTES,
    STAYS,
    Json,
    any_of,
    at_ports,
    extension,
    listening_at,
    milliseconds,
    versions_of,
)
from tandem.compile.envoy.served import served_ports, served_routes, telling
from tandem.ir.fabric import LocalPod, MtlsMode, PortMtls
from tandem.ir.node import AttachedPod
from tandem.ir.trust import Domains
from tandem.state.ownership import INBOUND_MARK
from tandem.state.xds import Resource

_TOLD: Final = "tandem.http1"
"""Filter state that tells routes what the client's proxy has offered."""
_TELLS: Final = {
    "object_key": _TOLD,
    "factory_key": "envoy.string",
    "format_string": {"text_format_source": {"inline_string": tls.ALPN_HTTP1}},
}
_READS: Final = {
    "name": "told",
    "typed_config": any_of("extensions.filters.network.set_filter_state.v3.Config", {"on_new_connection": [_TELLS]}),
}
_GRPC: Final = {"safe_regex": {"regex": "application/grpc([+;].*)?"}}
_NO_GRPC: Final = {
    "name": "content-type",
    "string_match": _GRPC,
    "invert_match": True,
    "treat_missing_header_as_empty": True,
}
_IN_HTTP1: Final = {
    "prefix": "/",
    "headers": [_NO_GRPC],
    "filter_state": [{"key": _TOLD, "string_match": {"exact": tls.ALPN_HTTP1}}],
}
"""Requests to Services that say HTTP/1.1, but gRPC, of which that is no carrier."""
_HOSTS: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - in the pod
INSPECT_MIXED: Final = "1s"
"""How long a silent client is waited for where plain clients are welcome: so long does a server's greeting wait."""

INSPECT_STRICT: Final = "5s"
"""The same where every port is STRICT: then only a late TLS client gains or loses by it."""


@lru_cache(maxsize=1024)
def compile_inbound(attached: AttachedPod, trust: Domains) -> Resource:
    """The listener that the pod's capture rules hand everything to that reaches the pod."""
    pod = attached.pod
    modes = _modes(pod)
    inspected = any(setting.mode is not MtlsMode.DISABLE for setting in modes.values())
    strict = all(setting.mode is MtlsMode.STRICT for setting in modes.values())
    detected = [p for p in pod.detected_ports if p in modes and modes[p].mode is not MtlsMode.STRICT]
    name = names.inbound_listener(pod.uid)
    body: dict[str, Any] = {
        "name": name,
        "stat_prefix": hcm.IN,
        **listening_at((_HOSTS[v] for v in versions_of(attached.addresses)), names.INBOUND_PORT, attached.netns),
        "transparent": True,
        "traffic_direction": "INBOUND",
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "drain_type": STAYS,
        "listener_filters": _listener_filters(pod, detected, inspected=inspected),
        "listener_filters_timeout": INSPECT_STRICT if strict else INSPECT_MIXED,
        "continue_on_listener_filters_timeout": True,
        "filter_chains": [
            chain for port, setting in modes.items() for chain in _chains(pod, port, setting.mode, trust)
        ],
    }
    origins = frozenset(setting.origin for setting in modes.values() if setting.origin is not None)
    origins |= {origin for policy in pod.authorization for origin in policy.objects}
    origins |= {*pod.logging.server.origins, *pod.delivery.origins}
    return Resource(name=name, body=body, origins=origins)


def compile_inbound_routes(pod: LocalPod) -> tuple[Resource, ...]:
    """What becomes of requests to a pod, and to ports of it that go another way."""
    return tuple(_routes(pod, port) for port in (0, *pod.delivery.apart))


@lru_cache(maxsize=1024)
def _routes(pod: LocalPod, port: int) -> Resource:
    """One that the application has not begun to read is tried again."""
    config = inbound_per_route(pod)
    ways: list[tuple[Json, str]] = [({"prefix": "/"}, names.app_cluster(pod.uid, port))]
    if follows_client(pod, port):
        ways.insert(0, (_IN_HTTP1, names.plain_app_cluster(pod.uid, port)))
    whole = [
        {
            "name": "inbound",
            "match": match,
            "route": {
                "cluster": cluster,
                "timeout": milliseconds(pod.inbound.request_ms),
                "retry_policy": {"retry_on": "connect-failure,reset-before-request", "num_retries": 2},
            },
        }
        for match, cluster in ways
    ]
    changed = [one for one in served_ports(pod) if _way(pod, one) == port]
    routes = [*served_routes(pod.served, changed, whole), *whole]
    name = names.inbound_routes(pod.uid, port)
    # Said once for all ways: a bucket is one, whichever a request goes.
    said = {"typed_per_filter_config": config} if config else {}
    hosts = [{"name": "in", "domains": ["*"], "routes": routes, **said}]
    body = {"name": name, "virtual_hosts": hosts, "validate_clusters": False, **UNTOLD}
    origins = frozenset(origin for policy in pod.authorization for origin in policy.objects)
    origins |= {limit.origin for limit in pod.limits}
    origins |= {*pod.inbound.origins, *(one.origin for one in pod.served)}
    return Resource(name=name, body=body, origins=origins)


def _modes(pod: LocalPod) -> dict[int, PortMtls]:
    """Port -> mode, 0 for all others. Ports whose plain requests are parsed need chains of their own, too."""
    named = {setting.port: setting for setting in pod.mtls}
    rest = named.get(0, PortMtls(port=0, mode=MtlsMode.PERMISSIVE))
    # Where plain text is refused nothing is to be found out of it.
    detected = (port for port in pod.detected_ports if named.get(port, rest).mode is not MtlsMode.STRICT)
    own = {0, *named, *pod.plain_http_ports, *detected, *pod.delivery.apart, *served_ports(pod)}
    return {port: named.get(port, rest) for port in sorted(own)}


def _listener_filters(pod: LocalPod, detected: list[int], *, inspected: bool) -> list[Json]:
    source = extension(
        "original-src", "extensions.filters.listener.original_src.v3.OriginalSrc", {"mark": INBOUND_MARK}
    )
    inside = [arrival.port for arrival in pod.delivery.arrivals if arrival.loopback]
    if inside:
        # The kernel finds no way from 127.0.0.1 back to a client: there it sees the proxy's own loopback address.
        source = {**source, "filter_disabled": at_ports(inside)}
    filters = [extension("original-dst", "extensions.filters.listener.original_dst.v3.OriginalDst"), source]
    if inspected:
        filters.append(extension("tls-inspector", "extensions.filters.listener.tls_inspector.v3.TlsInspector"))
    if detected:
        filters.append(detecting_at(detected))
    return filters


def _chains(pod: LocalPod, port: int, mode: MtlsMode, trust: Domains) -> Iterator[Json]:
    """All chains of a port: once a port has one chain, Envoy does not fall back to those without a port."""
    match mode:
        case MtlsMode.STRICT:
            yield from _mtls(pod, port, trust)
            refuse = [hcm.tcp(hcm.IN, names.REFUSED, names.refused_log(pod.uid), when=pod.logging.server.when)]
            if trust.sourced:
                yield from _peers(pod, port, trust)
            else:
                yield _chain(port, "refused-tls", {"transport_protocol": "tls"}, refuse)
            yield _chain(port, "refused-raw", {"transport_protocol": "raw_buffer"}, refuse)
        case MtlsMode.PERMISSIVE:
            yield from _mtls(pod, port, trust)
            yield _chain(port, "app-tls", {"transport_protocol": "tls"}, _bytes(pod, port))
            yield from _plain(pod, port)
        case MtlsMode.DISABLE:
            yield _chain(port, "app-tls", {"transport_protocol": "tls"}, _bytes(pod, port))
            yield from _plain(pod, port)
        case _:
            assert_never(mode)


def _mtls(pod: LocalPod, port: int, trust: Domains) -> Iterator[Json]:
    """What other proxies of the mesh open: they say whether they have read requests."""
    socket = tls.downstream(pod.identity, trust)
    requests = _requests(pod, port, mtls=True)
    # Elsewhere the one who offers it offers the other as well.
    told = [(tls.ALPN_HTTP1, [_READS, *requests])] if port in pod.plain_http_ports and follows_client(pod, port) else []
    for alpn, filters in (*told, (tls.ALPN_HTTP, requests), (tls.ALPN_TCP, _bytes(pod, port))):
        match = {"transport_protocol": "tls", "application_protocols": [alpn]}
        yield {**_chain(port, alpn, match, [*before_peers(trust), *filters]), "transport_socket": socket}


def _peers(pod: LocalPod, port: int, trust: Domains) -> Iterator[Json]:
    """What clients without a proxy of ours open: whoever says HTTP is read, of all others the bytes are handed on."""
    whole = {"transport_protocol": "tls"}
    asked = {**whole, "application_protocols": list(tls.ALPN_PEERS)}
    for name, match, alpn, filters in (
        ("peers-http", asked, tls.ALPN_PEERS, _requests(pod, port, mtls=True)),
        ("peers", whole, (), _bytes(pod, port)),
    ):
        socket = tls.downstream(pod.identity, trust, alpn)
        yield {**_chain(port, name, match, [*before_peers(trust), *filters]), "transport_socket": socket}


def _plain(pod: LocalPod, port: int) -> Iterator[Json]:
    """Requests, bytes, or whichever of both the client begins with."""
    match = {"transport_protocol": "raw_buffer"}
    if port in pod.plain_http_ports:
        yield _chain(port, "plain", match, _requests(pod, port, mtls=False))
        return
    if port in pod.detected_ports:
        yield _chain(port, "plain-requests", REQUESTS, _requests(pod, port, mtls=False))
    yield _chain(port, "plain", match, _bytes(pod, port))


def _requests(pod: LocalPod, port: int, *, mtls: bool) -> list[Json]:
    return [*telling(pod, port), hcm.inbound_http(pod, mtls=mtls, port=_way(pod, port))]


def _bytes(pod: LocalPod, port: int) -> list[Json]:
    to, log_name = names.app_cluster(pod.uid, _way(pod, port)), names.destination_log(pod.uid)
    last = hcm.tcp(hcm.IN, to, log_name, when=pod.logging.server.when)
    return [*network_guards(pod, hcm.IN), last]


def _way(pod: LocalPod, port: int) -> int:
    """The port, where it goes another way than all others."""
    return port if port in pod.delivery.apart else 0


def _chain(port: int, name: str, match: Json, filters: list[Json]) -> Json:
    where = {"destination_port": port} if port else {}
    return {"name": f"{port}/{name}", "filter_chain_match": {**where, **match}, "filters": filters}
