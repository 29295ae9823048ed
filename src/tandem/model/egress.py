"""networking.istio.io: ServiceEntry, WorkloadEntry, Sidecar (v1alpha3, v1beta1 and v1 are one form)."""

from __future__ import annotations

from typing import Any

from tandem.model.istio import ConnectionPool
from tandem.model.meta import Condition, Model, Object, Status


class EntryPort(Model, frozen=True, kw_only=True):
    """ServicePort of a ServiceEntry; `target_port` 0: the number itself."""

    number: int
    name: str
    protocol: str = ""
    target_port: int = 0


class Workload(Model, frozen=True, kw_only=True):
    """WorkloadEntry's spec, also an endpoint of a ServiceEntry. `ports` maps names of service ports to numbers."""

    address: str = ""
    ports: dict[str, int] = {}
    labels: dict[str, str] = {}
    network: str = ""
    locality: str = ""
    weight: int = 0
    service_account: str = ""


class EntrySelector(Model, frozen=True, kw_only=True):
    """workloadSelector: pods and WorkloadEntries of the same namespace."""

    labels: dict[str, str] = {}


class ServiceEntrySpec(Model, frozen=True, kw_only=True):
    """spec."""

    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ports: tuple[EntryPort, ...] = ()
    location: str = "MESH_EXTERNAL"
    resolution: str = "NONE"
    endpoints: tuple[Workload, ...] = ()
    workload_selector: EntrySelector | None = None
    export_to: tuple[str, ...] = ()
    subject_alt_names: tuple[str, ...] = ()


class HostAddress(Model, frozen=True, kw_only=True):
    """An address that was given to a host which names none (status.addresses[])."""

    value: str
    host: str = ""


class ServiceEntryStatus(Model, frozen=True, kw_only=True):
    """status."""

    conditions: tuple[Condition, ...] = ()
    addresses: tuple[HostAddress, ...] = ()


class ServiceEntry(Object, frozen=True, kw_only=True):
    """networking.istio.io ServiceEntry."""

    spec: ServiceEntrySpec = ServiceEntrySpec()
    status: ServiceEntryStatus = ServiceEntryStatus()


class WorkloadEntry(Object, frozen=True, kw_only=True):
    """networking.istio.io WorkloadEntry."""

    spec: Workload = Workload()
    status: Status = Status()


class SidecarPort(Model, frozen=True, kw_only=True):
    """SidecarPort."""

    number: int = 0
    protocol: str = ""
    name: str = ""
    target_port: int = 0


class EgressListener(Model, frozen=True, kw_only=True):
    """IstioEgressListener; hosts are `NAMESPACE/HOST`."""

    port: SidecarPort | None = None
    bind: str = ""
    capture_mode: str = "DEFAULT"
    hosts: tuple[str, ...] = ()


class IngressListener(Model, frozen=True, kw_only=True):
    """IstioIngressListener. TLS is kept raw so that it can be refused by name."""

    port: SidecarPort | None = None
    bind: str = ""
    capture_mode: str = "DEFAULT"
    default_endpoint: str = ""
    tls: dict[str, Any] | None = None
    connection_pool: ConnectionPool | None = None


class OutboundTrafficPolicy(Model, frozen=True, kw_only=True):
    """OutboundTrafficPolicy; one that says nothing says REGISTRY_ONLY, the first of its modes."""

    mode: str = "REGISTRY_ONLY"
    egress_proxy: dict[str, Any] | None = None


class SidecarSpec(Model, frozen=True, kw_only=True):
    """spec."""

    workload_selector: EntrySelector | None = None
    ingress: tuple[IngressListener, ...] = ()
    egress: tuple[EgressListener, ...] = ()
    inbound_connection_pool: ConnectionPool | None = None
    outbound_traffic_policy: OutboundTrafficPolicy | None = None


class Sidecar(Object, frozen=True, kw_only=True):
    """networking.istio.io Sidecar."""

    spec: SidecarSpec = SidecarSpec()
    status: Status = Status()
