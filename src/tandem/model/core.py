"""core/v1, apps/v1 and discovery.k8s.io/v1: the fields that we act on."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tandem.model.discovery import EndpointConditions as EndpointConditions  # noqa: PLC0414 - read as one
from tandem.model.discovery import EndpointHints as EndpointHints  # noqa: PLC0414
from tandem.model.discovery import EndpointSlice as EndpointSlice  # noqa: PLC0414
from tandem.model.discovery import ForPlace as ForPlace  # noqa: PLC0414
from tandem.model.discovery import SliceEndpoint as SliceEndpoint  # noqa: PLC0414
from tandem.model.discovery import SlicePort as SlicePort  # noqa: PLC0414
from tandem.model.discovery import TargetRef as TargetRef  # noqa: PLC0414
from tandem.model.meta import Condition, Model, Object
from tandem.model.selectors import LabelSelector

IntOrString = int | str


class Namespace(Object, frozen=True, kw_only=True):
    """core/v1 Namespace."""


class KeySelector(Model, frozen=True, kw_only=True):
    """ConfigMapKeySelector and SecretKeySelector."""

    name: str = ""
    key: str = ""
    optional: bool = False


class FieldSelector(Model, frozen=True, kw_only=True):
    """ObjectFieldSelector."""

    field_path: str = ""
    api_version: str = "v1"


class EnvSource(Model, frozen=True, kw_only=True):
    """EnvVarSource."""

    field_ref: FieldSelector | None = None
    config_map_key_ref: KeySelector | None = None
    secret_key_ref: KeySelector | None = None


class EnvVar(Model, frozen=True, kw_only=True):
    """One variable of a container."""

    name: str
    value: str = ""
    value_from: EnvSource | None = None


class EnvFromRef(Model, frozen=True, kw_only=True):
    """ConfigMapEnvSource and SecretEnvSource."""

    name: str = ""
    optional: bool = False


class EnvFrom(Model, frozen=True, kw_only=True):
    """EnvFromSource."""

    prefix: str = ""
    config_map_ref: EnvFromRef | None = None
    secret_ref: EnvFromRef | None = None


class ContainerPort(Model, frozen=True, kw_only=True):
    """ContainerPort; `name` is what named service and policy ports refer to."""

    container_port: int
    name: str = ""
    protocol: str = "TCP"
    host_port: int = 0
    host_ip: str = msgspec.field(default="", name="hostIP")


class ExecAction(Model, frozen=True, kw_only=True):
    """Run a command in the container; exit status 0 is success."""

    command: tuple[str, ...] = ()


class HttpHeader(Model, frozen=True, kw_only=True):
    """HTTPHeader of a probe."""

    name: str
    value: str


class HttpGetAction(Model, frozen=True, kw_only=True):
    """GET; 200-399 is success."""

    port: IntOrString
    path: str = "/"
    host: str = ""
    scheme: str = "HTTP"
    http_headers: tuple[HttpHeader, ...] = ()


class TcpAction(Model, frozen=True, kw_only=True):
    """Connect; a connection is success."""

    port: IntOrString
    host: str = ""


class GrpcAction(Model, frozen=True, kw_only=True):
    """grpc.health.v1 Check."""

    port: int
    service: str = ""


class Probe(Model, frozen=True, kw_only=True):
    """core/v1 Probe with the API server's defaults."""

    exec: ExecAction | None = None
    http_get: HttpGetAction | None = None
    tcp_socket: TcpAction | None = None
    grpc: GrpcAction | None = None
    initial_delay_seconds: int = 0
    timeout_seconds: int = 1
    period_seconds: int = 10
    success_threshold: int = 1
    failure_threshold: int = 3


class VolumeMount(Model, frozen=True, kw_only=True):
    """VolumeMount."""

    name: str
    mount_path: str
    sub_path: str = ""
    read_only: bool = False


class Container(Model, frozen=True, kw_only=True):
    """The part of core/v1 Container that the process runtime acts on."""

    name: str
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None
    startup_probe: Probe | None = None
    volume_mounts: tuple[VolumeMount, ...] = ()
    restart_policy: str = ""
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False


class KeyToPath(Model, frozen=True, kw_only=True):
    """items[] of a ConfigMap or Secret volume."""

    key: str
    path: str
    mode: int | None = None


class ConfigMapVolume(Model, frozen=True, kw_only=True):
    """ConfigMapVolumeSource."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int = 0o644
    optional: bool = False


class SecretVolume(Model, frozen=True, kw_only=True):
    """SecretVolumeSource."""

    secret_name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int = 0o644
    optional: bool = False


class EmptyDirVolume(Model, frozen=True, kw_only=True):
    """EmptyDirVolumeSource."""

    medium: str = ""


class Volume(Model, frozen=True, kw_only=True):
    """A volume of the kinds that the process runtime provides."""

    name: str
    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None
    empty_dir: EmptyDirVolume | None = None


class DnsOption(Model, frozen=True, kw_only=True):
    """PodDNSConfigOption."""

    name: str = ""
    value: str | None = None


class DnsConfig(Model, frozen=True, kw_only=True):
    """PodDNSConfig: what is added to the resolv.conf that the DNS policy gives."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[DnsOption, ...] = ()


class HostAlias(Model, frozen=True, kw_only=True):
    """A line of /etc/hosts."""

    ip: str
    hostnames: tuple[str, ...] = ()


class Toleration(Model, frozen=True, kw_only=True):
    """Empty `key` with `Exists`: every taint; empty `effect`: every effect."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class PodSpec(Model, frozen=True, kw_only=True):
    """The part of core/v1 PodSpec that we act on."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    node_name: str = ""
    node_selector: dict[str, str] = {}
    service_account_name: str = "default"
    host_network: bool = False
    hostname: str = ""
    subdomain: str = ""
    restart_policy: str = "Always"
    termination_grace_period_seconds: int = 30
    dns_policy: str = "ClusterFirst"
    dns_config: DnsConfig = DnsConfig()
    host_aliases: tuple[HostAlias, ...] = ()
    volumes: tuple[Volume, ...] = ()
    tolerations: tuple[Toleration, ...] = ()


class PodIp(Model, frozen=True, kw_only=True):
    """status.podIPs[]."""

    ip: str = ""


class PodStatus(Model, frozen=True, kw_only=True):
    """core/v1 PodStatus, the fields that we read."""

    phase: str = "Pending"
    pod_ip: str = msgspec.field(name="podIP", default="")
    pod_ips: tuple[PodIp, ...] = msgspec.field(name="podIPs", default=())
    host_ip: str = msgspec.field(name="hostIP", default="")
    conditions: tuple[Condition, ...] = ()
    reason: str = ""
    message: str = ""


class Pod(Object, frozen=True, kw_only=True):
    """core/v1 Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The pod's own addresses; empty while it has none and for host-network pods (they are the node)."""
        if self.spec.host_network:
            return ()
        every = tuple(p.ip for p in self.status.pod_ips if p.ip)
        return every or ((self.status.pod_ip,) if self.status.pod_ip else ())

    @property
    def finished(self) -> bool:
        """Succeeded or Failed: it has no processes and its address is no longer its own."""
        return self.status.phase in {"Succeeded", "Failed"}

    @property
    def ready(self) -> bool:
        """Its Ready condition is True."""
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)

    @property
    def terminating(self) -> bool:
        """Deletion was asked for."""
        return self.metadata.deletion_timestamp is not None


class ServicePort(Model, frozen=True, kw_only=True):
    """core/v1 ServicePort; `target_port` unset, 0 or empty means `port`."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str = ""
    target_port: IntOrString | None = None
    node_port: int = 0


class ClientIpConfig(Model, frozen=True, kw_only=True):
    """core/v1 ClientIPConfig."""

    timeout_seconds: int = 10800


class SessionAffinityConfig(Model, frozen=True, kw_only=True):
    """core/v1 SessionAffinityConfig."""

    client_ip: ClientIpConfig = msgspec.field(name="clientIP", default=ClientIpConfig())


class ServiceSpec(Model, frozen=True, kw_only=True):
    """core/v1 ServiceSpec, the fields that we act on."""

    type: str = "ClusterIP"
    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    cluster_ips: tuple[str, ...] = msgspec.field(name="clusterIPs", default=())
    ip_families: tuple[str, ...] = ()
    selector: dict[str, str] = {}
    ports: tuple[ServicePort, ...] = ()
    external_name: str = ""
    publish_not_ready_addresses: bool = False
    external_ips: tuple[str, ...] = msgspec.field(name="externalIPs", default=())
    external_traffic_policy: str = "Cluster"
    internal_traffic_policy: str = "Cluster"
    session_affinity: str = "None"
    session_affinity_config: SessionAffinityConfig = SessionAffinityConfig()
    load_balancer_ip: str = msgspec.field(name="loadBalancerIP", default="")
    load_balancer_class: str = ""
    load_balancer_source_ranges: tuple[str, ...] = ()
    health_check_node_port: int = 0
    traffic_distribution: str = ""


class IngressAddress(Model, frozen=True, kw_only=True):
    """core/v1 LoadBalancerIngress."""

    ip: str = ""
    hostname: str = ""


class LoadBalancerStatus(Model, frozen=True, kw_only=True):
    """core/v1 LoadBalancerStatus."""

    ingress: tuple[IngressAddress, ...] = ()


class ServiceStatus(Model, frozen=True, kw_only=True):
    """core/v1 ServiceStatus."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()
    conditions: tuple[Condition, ...] = ()


class Service(Object, frozen=True, kw_only=True):
    """core/v1 Service."""

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()

    @property
    def source_ranges(self) -> tuple[str, ...]:
        """What limits the sources of its load balancer addresses; of other types it limits nothing."""
        return self.spec.load_balancer_source_ranges if self.spec.type == "LoadBalancer" else ()


class ServiceAccount(Object, frozen=True, kw_only=True):
    """core/v1 ServiceAccount."""


class ConfigMap(Object, frozen=True, kw_only=True):
    """core/v1 ConfigMap."""

    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}


class Secret(Object, frozen=True, kw_only=True):
    """core/v1 Secret; `data` is base64."""

    type: str = "Opaque"
    data: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Secret({self.metadata.namespace}/{self.metadata.name})"


HOSTNAME: Final = "kubernetes.io/hostname"
"""Label of a node that names it."""
REGION: Final = "topology.kubernetes.io/region"
"""Label of a node that names its region."""
ZONE: Final = "topology.kubernetes.io/zone"
"""Label of a node that names its zone."""
SUBZONE: Final = "topology.istio.io/subzone"
"""Label of a node that names a part of its zone (Istio)."""
LOCALITY: Final = "istio-locality"
"""Label of a pod or WorkloadEntry: `REGION.ZONE.SUBZONE`, in place of its node's (Istio)."""
ENCRYPTION_KEY: Final = "tandem.io/wireguard-public-key"
"""Annotation of a node: its agent makes the key, control writes it, every other agent encrypts with it."""
NETWORK_NAMES: Final = "tandem.io/network-names"
"""Annotation of a node: what runtimes call its containers within their networks, with the addresses, as JSON."""
NO_BALANCER: Final = "node.kubernetes.io/exclude-from-external-load-balancers"
"""Label of a node that no load balancer should lead to."""
SERVES: Final = "tandem.io/serves"
"""Annotation of a node: control writes GATEWAYS while it serves gateways, and for a while after it should no more."""
GATEWAYS: Final = "gateways"


class NodeAddress(Model, frozen=True, kw_only=True):
    """core/v1 NodeAddress."""

    type: str
    address: str


class NodeSpec(Model, frozen=True, kw_only=True):
    """core/v1 NodeSpec."""

    pod_cidr: str = msgspec.field(name="podCIDR", default="")
    pod_cidrs: tuple[str, ...] = msgspec.field(name="podCIDRs", default=())
    unschedulable: bool = False
    """As `kubectl cordon` says it: no new pods."""


class NodeStatus(Model, frozen=True, kw_only=True):
    """core/v1 NodeStatus."""

    addresses: tuple[NodeAddress, ...] = ()
    conditions: tuple[Condition, ...] = ()
    allocatable: dict[str, str | int] = {}


class Node(Object, frozen=True, kw_only=True):
    """core/v1 Node."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class RollingUpdate(Model, frozen=True, kw_only=True):
    """apps/v1 RollingUpdateDeployment."""

    max_surge: IntOrString = "25%"
    max_unavailable: IntOrString = "25%"


class DeploymentStrategy(Model, frozen=True, kw_only=True):
    """apps/v1 DeploymentStrategy."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate = RollingUpdate()


class DeploymentSpec(Model, frozen=True, kw_only=True):
    """apps/v1 DeploymentSpec."""

    replicas: int = 1
    selector: LabelSelector = LabelSelector()
    template: dict[str, Any] = {}
    """PodTemplateSpec as it came: pods get every field of it, also those that nothing here acts on."""
    strategy: DeploymentStrategy = DeploymentStrategy()
    min_ready_seconds: int = 0
    paused: bool = False


class DeploymentStatus(Model, frozen=True, kw_only=True):
    """apps/v1 DeploymentStatus."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Deployment(Object, frozen=True, kw_only=True):
    """apps/v1 Deployment."""

    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()
