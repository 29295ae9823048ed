"""A pod and the service ports it can dial -> its outbound listener, a socket inside the pod's namespace.

One filter chain per service port, chosen by the address and port that were dialled. No bytes are awaited before a
chain is chosen, so protocols in which the server speaks first work. Everything else passes through as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tandem.compile import names
from tandem.compile.envoy import hcm
from tandem.compile.envoy.cluster import NETNS_KEY
from tandem.compile.envoy.proto import BUFFER_BYTES, Json, extension, listening_at, versions_of
from tandem.compile.envoy.scope import PortScope
from tandem.compile.envoy.tls import IDENTITY_KEY
from tandem.ir.fabric import Endpoints
from tandem.ir.node import AttachedPod
from tandem.ir.traffic import ByAddress
from tandem.state.xds import Resource

_HOSTS: Final = {4: "127.0.0.1", 6: "::1"}
Front = tuple[tuple[str, ...], int]
"""Addresses and a port that clients dial."""


def fronts_of(scope: PortScope, endpoints: Endpoints | None) -> tuple[Front, ...]:
    """What clients dial to reach a service port.

    A headless service has no address of its own: its clients dial the pods, and those of them that are in the mesh
    get a chain here, grouped by port number. Pod addresses behind a ClusterIP service are not listed: dialled
    directly they are passed through in plain text.
    """
    if scope.service.cluster_ips:
        return ((tuple(sorted(scope.service.cluster_ips)), scope.port.port),)
    by_number: dict[int, set[str]] = {}
    for endpoint in endpoints.endpoints if endpoints else ():
        for port_name, number in endpoint.ports:
            if port_name == scope.port.name and endpoint.identity is not None:
                by_number.setdefault(number, set()).add(endpoint.address)
    return tuple((tuple(sorted(addresses)), number) for number, addresses in sorted(by_number.items()))


def dialled(scopes: tuple[PortScope, ...], endpoints: Mapping[str, Endpoints]) -> tuple[tuple[PortScope, Front], ...]:
    """Each service port with its fronts. Envoy refuses two chains for one address and port: the first keeps it."""
    taken: set[tuple[str, int]] = set()
    found: list[tuple[PortScope, Front]] = []
    for scope in scopes:
        key = f"{scope.service.namespace}/{scope.service.name}"
        for addresses, number in fronts_of(scope, endpoints.get(key)):
            free = tuple(address for address in addresses if (address, number) not in taken)
            if free:
                taken.update((address, number) for address in free)
                found.append((scope, (free, number)))
    return tuple(found)


def compile_outbound(attached: AttachedPod, ports: tuple[tuple[PortScope, Front], ...]) -> Resource:
    """The listener at the loopback addresses of the pod's namespace, to which the pod's capture rules redirect."""
    uid = attached.pod.uid
    identity = hcm.hashable_state({NETNS_KEY: attached.netns, IDENTITY_KEY: attached.pod.identity})
    passthrough = hcm.tcp(hcm.OUT, names.PASSTHROUGH, names.source_log(uid))
    name = names.outbound_listener(uid)
    body: dict[str, Any] = {
        "name": name,
        "stat_prefix": hcm.OUT,
        **listening_at((_HOSTS[v] for v in versions_of(attached.addresses)), names.OUTBOUND_PORT, attached.netns),
        "traffic_direction": "OUTBOUND",
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "listener_filters": [extension("original-dst", "extensions.filters.listener.original_dst.v3.OriginalDst")],
        "filter_chains": list(_chains(attached, ports, identity)),
        "default_filter_chain": {"name": "passthrough", "filters": [identity, passthrough]},
    }
    return Resource(name=name, body=body)


def _chains(attached: AttachedPod, ports: tuple[tuple[PortScope, Front], ...], identity: Json) -> Iterator[Json]:
    uid = attached.pod.uid
    for scope, (addresses, number) in ports:
        if scope.port.app.is_http:
            last = hcm.outbound_http(uid, scope.route_config)
        else:
            sticky = scope.service.affinity_seconds > 0 or ByAddress() in dict(scope.hashes).get(scope.cluster, ())
            last = hcm.tcp(hcm.OUT, scope.own_cluster, names.source_log(uid), sticky=sticky)
        yield {
            "name": f"{scope.own_cluster}:{number}",
            "filter_chain_match": {
                "destination_port": number,
                "prefix_ranges": [_host(address) for address in addresses],
            },
            "filters": [identity, last],
        }


def _host(address: str) -> Json:
    return {"address_prefix": address, "prefix_len": 128 if ":" in address else 32}
