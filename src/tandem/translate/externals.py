"""Hosts of ServiceEntries -> ir Service and Endpoints, keyed `namespace/host`, with Problems. Pure.

Endpoints are those of the entry, or the pods and WorkloadEntries that its workloadSelector selects; a host that is
resolved and names none is its own endpoint.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

import msgspec

from tandem.base.addresses import is_address
from tandem.base.ids import NodeName
from tandem.base.problems import Problem, Severity
from tandem.ir import fabric
from tandem.ir.external import External
from tandem.model import core
from tandem.model.egress import ServiceEntry, Workload, WorkloadEntry
from tandem.model.selectors import matches_map
from tandem.model.world import Key, World
from tandem.translate.hostaddresses import HostAddresses, assign_hosts
from tandem.translate.mesh.istio.locality import own_locality
from tandem.translate.mesh.istio.serviceentry import (
    DYNAMIC,
    NAMED,
    Entries,
    addresses_of,
    answered,
    app_of,
    endpoint_mistake,
    exported,
    read_entries,
)
from tandem.translate.nodes import pod_prefixes
from tandem.translate.options import Options
from tandem.translate.pods import spiffe_id
from tandem.translate.services import identity_at


class Externals(msgspec.Struct, frozen=True, kw_only=True):
    """The result, keyed `namespace/host`; `addresses`: what each was given."""

    services: Mapping[str, fabric.Service]
    endpoints: Mapping[str, fabric.Endpoints]
    addresses: HostAddresses
    problems: tuple[Problem, ...] = ()


def selects_workloads(world: World) -> bool:
    """Whether some entry's endpoints are found among pods."""
    return any(entry.spec.workload_selector is not None for entry in world.all(ServiceEntry).values())


def translate_externals(world: World, pods: Mapping[str, fabric.LocalPod], options: Options) -> Externals:
    """All hosts; `pods` are the translated pods by uid."""
    entries = read_entries(world, options)
    addresses = assign_hosts(world, options)
    services: dict[str, fabric.Service] = {}
    endpoints: dict[str, fabric.Endpoints] = {}
    taken = pod_prefixes(world) if any(entry.spec.addresses for entry in entries.hosts.values()) else ()
    for key in sorted(entries.hosts):
        entry = entries.hosts[key]
        services["/".join(key)] = _service(key, entries, addresses.by_host.get(key, ()), taken)
        endpoints["/".join(key)] = _endpoints(entry, key, (world, pods), options.trust_domain)
    return Externals(
        services=services,
        endpoints=endpoints,
        addresses=addresses,
        problems=(*entries.problems, *_workload_problems(world)),
    )


def _service(key: Key, entries: Entries, given: tuple[str, ...], taken: tuple[str, ...]) -> fabric.Service:
    entry = entries.hosts[key]
    spec = entry.spec
    return fabric.Service(
        namespace=key[0],
        name=key[1],
        cluster_ips=given,
        ports=tuple(
            fabric.ServicePort(name=port.name, port=port.number, protocol="TCP", app=app_of(port))
            for port in spec.ports
        ),
        external=External(
            host=key[1],
            prefixes=addresses_of(entry, taken),
            passes=spec.resolution == "NONE",
            dynamic=spec.resolution == DYNAMIC,
            one_address=spec.resolution == "DNS_ROUND_ROBIN",
            answered=answered(key, entries),
            exported=exported(entry),
        ),
        origin=entry.origin(),
    )


def _endpoints(
    entry: ServiceEntry, key: Key, known: tuple[World, Mapping[str, fabric.LocalPod]], domain: str
) -> fabric.Endpoints:
    spec, (world, pods) = entry.spec, known
    found: list[fabric.Endpoint] = []
    if spec.workload_selector is not None:
        labels = spec.workload_selector.labels
        found += _pods(entry, labels, world, pods)
        for other in world.sorted(WorkloadEntry):
            fits = other.metadata.namespace == key[0] and matches_map(labels, _labels(other))
            if fits and not endpoint_mistake(other.spec, spec.resolution):
                workload = msgspec.structs.replace(other.spec, labels=_labels(other))
                found.append(_endpoint(entry, workload, domain))
    elif spec.endpoints:
        found += (_endpoint(entry, workload, domain) for workload in spec.endpoints)
    elif spec.resolution in NAMED:
        found.append(_endpoint(entry, Workload(address=key[1]), domain))
    return fabric.Endpoints(
        namespace=key[0],
        service=key[1],
        endpoints=tuple(sorted((e for e in found if is_address(e.address)), key=_order)),
        named=tuple(sorted((e for e in found if not is_address(e.address)), key=_order)),
    )


def _labels(other: WorkloadEntry) -> dict[str, str]:
    """Those of its spec; of its metadata where that has none, as Istio selects."""
    return other.spec.labels or other.metadata.labels


def _endpoint(entry: ServiceEntry, workload: Workload, domain: str) -> fabric.Endpoint:
    """`domain`: of trust."""
    address, account = workload.address, workload.service_account
    return fabric.Endpoint(
        address=str(ipaddress.ip_address(address)) if is_address(address) else address.lower(),
        ports=tuple(
            sorted((p.name, workload.ports.get(p.name) or p.target_port or p.number) for p in entry.spec.ports)
        ),
        labels=tuple(sorted(workload.labels.items())),
        weight=workload.weight or 1,
        account=spiffe_id(domain, entry.metadata.namespace, account) if account else None,
        locality=own_locality(workload.locality, workload.labels),
    )


def _pods(
    entry: ServiceEntry, labels: Mapping[str, str], world: World, pods: Mapping[str, fabric.LocalPod]
) -> Iterator[fabric.Endpoint]:
    """Ready pods; one that takes mTLS on some of the ports alone is there twice, as behind a Service."""
    for pod in world.sorted(core.Pod):
        known = pods.get(pod.metadata.uid)
        fits = pod.metadata.namespace == entry.metadata.namespace and matches_map(labels, pod.metadata.labels)
        if not fits or known is None or not pod.ready or pod.terminating or not pod.addresses:
            continue
        ports = {p.name: p.target_port or p.number for p in entry.spec.ports}
        for identity in (known.identity, None) if known.meshed else (None,):
            mine = tuple(sorted((n, number) for n, number in ports.items() if identity_at(known, number) == identity))
            for address in pod.addresses if mine else ():
                yield fabric.Endpoint(
                    address=address,
                    ports=mine,
                    pod=known.uid,
                    pod_name=pod.metadata.name,
                    node=NodeName(pod.spec.node_name) if pod.spec.node_name else None,
                    labels=known.labels,
                    identity=identity,
                    locality=own_locality("", pod.metadata.labels),
                )


def _order(endpoint: fabric.Endpoint) -> tuple[bool, str, bool]:
    return ":" in endpoint.address, endpoint.address, endpoint.identity is None


def _workload_problems(world: World) -> Iterator[Problem]:
    for other in world.sorted(WorkloadEntry):
        if not other.spec.address:
            yield Problem(at=other.origin("spec.address"), code="InvalidValue", text="give the workload's address")
        elif wrong := endpoint_mistake(other.spec, "DNS"):
            yield Problem(at=other.origin("spec.address"), code="InvalidValue", text=wrong)
        if other.spec.network:
            text = "it is not looked at: every endpoint is reached alike"
            yield Problem(at=other.origin("spec.network"), code="NoEffect", text=text, severity=Severity.WARNING)
