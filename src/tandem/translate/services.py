"""Service and EndpointSlice -> ir Service and Endpoints, keyed `namespace/name`, with Problems. Pure.

Endpoints are the ready ones; where a port has none, those that still serve while they terminate, as kube-proxy does.
An endpoint whose pod takes mTLS on some ports and DISABLEs it on others appears twice, with identity and without.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from tandem.base.ids import NodeName, PodUid, SpiffeId
from tandem.base.problems import Problem, Severity
from tandem.ir import fabric
from tandem.ir.fabric import AppProtocol, MtlsMode
from tandem.model import core
from tandem.model.gatewayservices import GATEWAY_CLASS
from tandem.model.speakers import OPAQUE, opaque_ports
from tandem.model.world import World
from tandem.translate.mesh.istio.locality import own_locality
from tandem.translate.mesh.istio.peerauth import mode_of
from tandem.translate.protocols import PortsSaid, apps

Slices = tuple[core.EndpointSlice, ...]
_OUTWARD: Final = frozenset({"NodePort", "LoadBalancer"})


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """The result, keyed `namespace/name`."""

    services: dict[str, fabric.Service]
    endpoints: dict[str, fabric.Endpoints]
    problems: tuple[Problem, ...] = ()


class One(msgspec.Struct, frozen=True, kw_only=True):
    """A translated Service."""

    service: fabric.Service
    endpoints: fabric.Endpoints
    problems: tuple[Problem, ...]


def translate_services(
    world: World,
    pods: Mapping[str, fabric.LocalPod],
    *,
    said: Mapping[str, PortsSaid] | None = None,
    inner: tuple[str, ...] = (),
) -> Services:
    """All Services and their endpoints; `pods` are the translated pods by uid, `said` what others say of ports.

    `inner`: prefixes out of which the cluster gives addresses itself.
    """
    found: dict[str, One] = {}
    for service in world.sorted(core.Service):
        slices = world.slices_by_service.get(service.key, ())
        found["/".join(service.key)] = translate_service(service, slices, pods, said=said or {}, inner=inner)
    return Services(
        services={key: one.service for key, one in found.items()},
        endpoints={key: one.endpoints for key, one in found.items()},
        problems=tuple(problem for one in found.values() for problem in one.problems),
    )


def translate_service(
    service: core.Service,
    slices: Slices,
    pods: Mapping[str, fabric.LocalPod],
    *,
    said: Mapping[str, PortsSaid],
    inner: tuple[str, ...] = (),
) -> One:
    """One Service; of `pods` those are read that its slices refer to (`referred`)."""
    taken = _taken(service, inner)
    made = _service(service, said.get("/".join(service.key)), taken.keys())
    last = _endpoints(slices, pods, ready=False) if _is_local(made) else ()
    return One(
        service=made,
        endpoints=fabric.Endpoints(
            namespace=service.metadata.namespace,
            service=service.metadata.name,
            endpoints=tuple(sorted(_endpoints(slices, pods), key=_order)),
            last=tuple(sorted(last, key=_order)),
        ),
        problems=(*_slice_problems(slices), *_problems(service), *_taking(service, taken)),
    )


def referred(slices: Slices) -> frozenset[str]:
    """The uids of the pods that slices refer to."""
    refs = (endpoint.target_ref for piece in slices for endpoint in piece.endpoints)
    return frozenset(ref.uid for ref in refs if ref is not None and ref.kind == "Pod")


def _service(service: core.Service, said: PortsSaid | None, taken: Collection[str]) -> fabric.Service:
    spec = service.spec
    ips = spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ())
    return fabric.Service(
        namespace=service.metadata.namespace,
        name=service.metadata.name,
        cluster_ips=tuple(ip for ip in ips if ip and ip != "None"),
        ports=tuple(
            fabric.ServicePort(
                name=p.name,
                port=p.port,
                protocol=p.protocol,
                app=app,
                node_port=p.node_port if spec.type in _OUTWARD else 0,
            )
            for p, app in zip(spec.ports, _apps(service, said), strict=True)
        ),
        external_name=spec.external_name if spec.type == "ExternalName" else "",
        external_ips=tuple(a for a in spec.external_ips if a not in taken),
        balancer_ips=_balancer_ips(service),
        internal_local=spec.internal_traffic_policy == "Local",
        external_local=spec.external_traffic_policy == "Local" and (spec.type in _OUTWARD or bool(spec.external_ips)),
        affinity_seconds=spec.session_affinity_config.client_ip.timeout_seconds
        if spec.session_affinity == "ClientIP"
        else 0,
        sources=_sources(service),
        origin=service.origin() if _balancer_ips(service) else None,
        health_port=spec.health_check_node_port
        if spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local"
        else 0,
    )


def _apps(service: core.Service, said: PortsSaid | None) -> tuple[AppProtocol, ...]:
    """What a gateway is sent it reads itself: on the way there it is bytes."""
    of_gateway = service.spec.load_balancer_class == GATEWAY_CLASS
    return tuple(AppProtocol.TCP for _ in service.spec.ports) if of_gateway else apps(service, said)


def _balancer_ips(service: core.Service) -> tuple[str, ...]:
    """None of a gateway's, which has them itself."""
    if service.spec.type != "LoadBalancer" or service.spec.load_balancer_class == GATEWAY_CLASS:
        return ()
    return tuple(i.ip for i in service.status.load_balancer.ingress if i.ip)


def _is_local(service: fabric.Service) -> bool:
    return service.internal_local or service.external_local


def _problems(service: core.Service) -> Iterable[Problem]:
    """What cannot be served as written."""
    for i, text in enumerate(service.source_ranges):
        if _prefix(text) is None:
            path = f"spec.loadBalancerSourceRanges[{i}]"
            yield Problem(at=service.origin(path), code="InvalidValue", text=f"{path}: {text!r} is no address prefix")
    for part in opaque_ports(service)[1]:
        path, text = f"metadata.annotations.{OPAQUE}", f"{part!r} is neither a port nor a range of ports"
        yield Problem(at=service.origin(path), code="InvalidValue", text=f"{path}: {text}", severity=Severity.WARNING)
    if service.spec.load_balancer_class not in {"", GATEWAY_CLASS}:
        path, text = "spec.loadBalancerClass", "an implementation of this class must give the address"
        yield Problem(at=service.origin(path), code="NotServed", text=f"{path}: {text}", severity=Severity.WARNING)


def _taken(service: core.Service, inner: tuple[str, ...]) -> dict[str, str]:
    """External addresses that the cluster gives out itself, each with the prefix that it is of."""
    found: dict[str, str] = {}
    for address in service.spec.external_ips:
        parsed = ipaddress.ip_address(address)
        for prefix in inner:
            if parsed in ipaddress.ip_network(prefix):
                found[address] = prefix
    return found


def _taking(service: core.Service, taken: Mapping[str, str]) -> Iterable[Problem]:
    """They would take what is for another Service, or for a pod, to the endpoints of this one."""
    for i, address in enumerate(service.spec.external_ips):
        if address in taken:
            path = f"spec.externalIPs[{i}]"
            text = f"{path}: {address} is of {taken[address]}, whose addresses the cluster gives out: it is not served"
            yield Problem(at=service.origin(path), code="AddressInUse", text=text)


def _sources(service: core.Service) -> tuple[str, ...] | None:
    """A range that cannot be read allows nobody."""
    ranges = service.source_ranges
    return tuple(sorted({p for p in map(_prefix, ranges) if p is not None})) if ranges else None


def _prefix(text: str) -> str | None:
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        return None


class _Candidate(msgspec.Struct, frozen=True):
    """One address with one numbered port, as a slice lists it."""

    port: str
    number: int
    endpoint: core.SliceEndpoint
    address: str


def _endpoints(slices: Slices, pods: Mapping[str, fabric.LocalPod], *, ready: bool = True) -> Iterable[fabric.Endpoint]:
    """The endpoints in use; not `ready`: only those that serve last."""
    chosen: dict[str, list[_Candidate]] = {}
    for candidates in _by_port(slices).values():
        first = [c for c in candidates if ready and c.endpoint.conditions.ready is not False]
        for candidate in first or [c for c in candidates if _serves_last(c.endpoint.conditions)]:
            chosen.setdefault(candidate.address, []).append(candidate)
    for address, candidates in chosen.items():
        ref = candidates[0].endpoint.target_ref
        pod = pods.get(ref.uid) if ref is not None and ref.kind == "Pod" else None
        for identity in (pod.identity, None) if pod is not None and pod.meshed else (None,):
            ports = {c.port: c.number for c in candidates if identity_at(pod, c.number) == identity}
            if ports:
                yield _endpoint(address, candidates[0].endpoint, pod, (identity, tuple(sorted(ports.items()))))


def _by_port(slices: Slices) -> dict[str, list[_Candidate]]:
    found: dict[str, dict[str, _Candidate]] = {}
    for piece in slices:
        if piece.address_type == "FQDN":
            continue
        for port in piece.ports:
            for endpoint in piece.endpoints if port.port is not None else ():
                for address in endpoint.addresses[:1]:  # KEP-752: only the first address is used
                    candidate = _Candidate(port.name, port.port or 0, endpoint, address)
                    known = found.setdefault(port.name, {}).get(address)
                    # While an endpoint moves from one slice to another it is in both: the ready entry counts.
                    if known is None or known.endpoint.conditions.ready is False:
                        found[port.name][address] = candidate
    return {name: list(by_address.values()) for name, by_address in found.items()}


def _serves_last(conditions: core.EndpointConditions) -> bool:
    serving = conditions.serving if conditions.serving is not None else conditions.ready is not False
    return serving and conditions.terminating is True


def identity_at(pod: fabric.LocalPod | None, port: int) -> SpiffeId | None:
    """The identity that a pod proves on a port; None where it takes no mTLS."""
    if pod is None or not pod.meshed or mode_of(pod.mtls, port).mode is MtlsMode.DISABLE:
        return None
    return pod.identity


def _endpoint(
    address: str,
    endpoint: core.SliceEndpoint,
    pod: fabric.LocalPod | None,
    how: tuple[SpiffeId | None, tuple[tuple[str, int], ...]],
) -> fabric.Endpoint:
    ref = endpoint.target_ref
    identity, ports = how
    # Hints are for ready endpoints: of those that serve last every one is used, wherever it is.
    ready = endpoint.conditions.ready is not False
    return fabric.Endpoint(
        address=address,
        ports=ports,
        pod=PodUid(ref.uid) if ref is not None and ref.kind == "Pod" and ref.uid else None,
        pod_name=ref.name if ref is not None and ref.kind == "Pod" else "",
        node=NodeName(endpoint.node_name) if endpoint.node_name else None,
        labels=pod.labels if pod is not None else (),
        identity=identity,
        hostname=endpoint.hostname,
        ready=ready,
        for_zones=_places(endpoint.hints.for_zones) if ready else (),
        for_nodes=_places(endpoint.hints.for_nodes) if ready else (),
        locality=own_locality("", dict(pod.labels)) if pod is not None else None,
    )


def _places(named: tuple[core.ForPlace, ...]) -> tuple[str, ...]:
    return tuple(sorted({place.name for place in named}))


def _order(endpoint: fabric.Endpoint) -> tuple[bool, str, bool]:
    return ":" in endpoint.address, endpoint.address, endpoint.identity is None


def _slice_problems(slices: Slices) -> Iterable[Problem]:
    for piece in slices:
        if piece.address_type == "FQDN":
            text = "addresses of type FQDN are not used; list IPv4 or IPv6 addresses, or use an ExternalName Service"
            at = piece.origin("addressType")
            yield Problem(at=at, code="UnsupportedValue", text=text, severity=Severity.WARNING)
