"""Pods on a node, nodes, services and their endpoints."""

from __future__ import annotations

from contextlib import suppress
from enum import Enum

import msgspec

from tandem.base.addresses import host_prefix
from tandem.base.block import Block
from tandem.base.ids import NodeName, PodUid, PolicySetId, SpiffeId
from tandem.base.problems import Origin
from tandem.ir.authn import JwtRule
from tandem.ir.authz import AuthzPolicy
from tandem.ir.calling import Calling
from tandem.ir.delivery import AS_DIALLED, Delivery
from tandem.ir.external import External
from tandem.ir.limits import RateLimit
from tandem.ir.locality import Locality, LocalityBalancing
from tandem.ir.logged import EVERYTHING, Logging
from tandem.ir.network import Network
from tandem.ir.outbound import OPEN, Outbound
from tandem.ir.paths import Paths
from tandem.ir.served import Served
from tandem.ir.trust import Domains, TrustSource, domains_of


class AppProtocol(Enum):
    """What bytes on a service port are taken for: chosen by appProtocol, then by port name prefix, else detected."""

    HTTP = "http"
    HTTP2 = "http2"
    GRPC = "grpc"
    TCP = "tcp"
    DETECTED = "detected"
    """Nobody says: requests where a client begins with one, else bytes."""
    TLS = "tls"
    """Bytes, told apart by the name that the client asks for (SNI)."""
    UDP = "udp"
    SCTP = "sctp"

    @property
    def is_http(self) -> bool:
        """True where Envoy parses requests."""
        return self in {AppProtocol.HTTP, AppProtocol.HTTP2, AppProtocol.GRPC}

    @property
    def may_be_http(self) -> bool:
        """True where Envoy parses what is found to be requests, too."""
        return self.is_http or self is AppProtocol.DETECTED


class MtlsMode(Enum):
    """Istio PeerAuthentication modes: what a pod accepts on a port."""

    PERMISSIVE = "PERMISSIVE"
    STRICT = "STRICT"
    DISABLE = "DISABLE"


class PortMtls(msgspec.Struct, frozen=True, kw_only=True):
    """The mode of one port of a pod (`port` 0: all others) and the object that says so (None: the default)."""

    port: int
    mode: MtlsMode
    origin: Origin | None = None


class Inbound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a pod takes, of all clients together; 0: no limit, and the proxy's own times."""

    connections: int = 0
    """At one time."""
    connect_ms: int = 0
    """How long the application may take to accept one."""
    request_ms: int = 0
    """And to answer a request."""
    origins: tuple[Origin, ...] = ()


class LocalPod(msgspec.Struct, frozen=True, kw_only=True):
    """A pod bound to this node, as far as the node must know it. Its address is the node's own knowledge (IPAM)."""

    uid: PodUid
    namespace: str
    name: str
    service_account: str
    identity: SpiffeId
    labels: tuple[tuple[str, str], ...] = ()
    meshed: bool = False
    ingress: PolicySetId | None = None
    egress: PolicySetId | None = None
    addresses: tuple[str, ...] = ()
    """Addresses that the pod asks for, in its own words."""
    mtls: tuple[PortMtls, ...] = (PortMtls(port=0, mode=MtlsMode.PERMISSIVE),)
    authorization: tuple[AuthzPolicy, ...] = ()
    """Sorted by action and origin."""
    authentication: tuple[JwtRule, ...] = ()
    """Sorted by issuer and origin."""
    outbound: Outbound = OPEN
    delivery: Delivery = AS_DIALLED
    plain_http_ports: tuple[int, ...] = ()
    """Target ports of HTTP services that select this pod: plain requests to them are parsed for telemetry."""
    detected_ports: tuple[int, ...] = ()
    """Target ports of which no Service says what they speak: a plain client's first bytes tell."""
    limits: tuple[RateLimit, ...] = ()
    """Of Services that select it, in the order of those."""
    logging: Logging = EVERYTHING
    """What of its requests and connections become flows."""
    inbound: Inbound = Inbound()
    calling: Calling | None = None
    served: tuple[Served, ...] = ()
    """What is changed of requests, at ports where anything is: the first one that holds counts."""
    paths: Paths = Paths.BASE
    """Of requests from it and to it."""


class ServicePort(msgspec.Struct, frozen=True, kw_only=True):
    """One port of a Service; `protocol` is TCP, UDP or SCTP, `app` what the bytes are."""

    name: str
    port: int
    protocol: str
    app: AppProtocol
    node_port: int = 0
    """Served on the node's own addresses too; 0: not."""


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Service's front: names, addresses and ports. Changes rarely; endpoints live in `Endpoints`."""

    namespace: str
    name: str
    cluster_ips: tuple[str, ...]
    """Empty for a headless Service."""
    ports: tuple[ServicePort, ...]
    external_name: str = ""
    external_ips: tuple[str, ...] = ()
    """Addresses that others bring to a node (spec.externalIPs): only the ports of the Service are answered there."""
    balancer_ips: tuple[str, ...] = ()
    """Addresses from the pool (status.loadBalancer.ingress), which belong to this Service alone."""
    internal_local: bool = False
    """internalTrafficPolicy: Local."""
    external_local: bool = False
    """externalTrafficPolicy: Local."""
    affinity_seconds: int = 0
    """sessionAffinity: ClientIP with this timeout; 0: none."""
    sources: tuple[str, ...] | None = None
    """Prefixes that may dial `balancer_ips` (loadBalancerSourceRanges); None: everyone."""
    origin: Origin | None = None
    """Of a Service with an address of the pool, so that it is told where nobody announces it."""
    shares: int = 0
    """The kernel gives each endpoint `weight` of so many equal shares, and drops what falls to none of them.

    What begins is logged. 0: every endpoint alike.
    """
    health_port: int = 0
    """Port of every node that tells whether the node has ready endpoints (healthCheckNodePort); 0: none."""
    external: External | None = None
    """Of a host of a ServiceEntry: then `name` is the host, and `cluster_ips` are the addresses it was given."""

    @property
    def keeps_address(self) -> bool:
        """True where clients dial the endpoints themselves: a headless Service, a host without endpoints of its own."""
        return not self.cluster_ips if self.external is None else self.external.passes


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One address behind a Service. `ports` maps service port name -> number on this pod (named ports resolved)."""

    address: str
    ports: tuple[tuple[str, int], ...]
    pod: PodUid | None = None
    pod_name: str = ""
    node: NodeName | None = None
    labels: tuple[tuple[str, str], ...] = ()
    identity: SpiffeId | None = None
    """Set when the endpoint is in the mesh and accepts mTLS; None: plain text."""
    hostname: str = ""
    ready: bool = True
    """False where it terminates and still serves."""
    for_zones: tuple[str, ...] = ()
    """Zones whose nodes should use it (a hint), sorted; with none the hints of its whole port are ignored."""
    for_nodes: tuple[str, ...] = ()
    """Nodes that should use it, likewise."""
    weight: int = 1
    """Its share in proportion to those of others, where a proxy chooses."""
    account: SpiffeId | None = None
    """Whom it must prove to be where mTLS is asked for, though it is not known to take it."""
    locality: Locality | None = None
    """Where it says to be; None: where its node is."""


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Ready endpoints of a Service, sorted by address: an endpoint change sends this resource and nothing else."""

    namespace: str
    service: str
    endpoints: tuple[Endpoint, ...]
    last: tuple[Endpoint, ...] = ()
    """Endpoints that still serve while they terminate: for a node that a policy Local leaves without ready ones."""
    named: tuple[Endpoint, ...] = ()
    """Endpoints whose `address` is a domain name: each node puts what the name resolves to among `endpoints`."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is told of a part of its addresses; it answers with the `id` once it is so. Empty: no answer."""

    prefix: str
    id: str = ""


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A node of the cluster: how to reach it and which pod prefixes live behind it."""

    name: NodeName
    addresses: tuple[str, ...]
    """At most one per family, the node's own choice first; empty while they are not known."""
    pod_cidrs: tuple[str, ...]
    """Its blocks, the first of each family before all others: the first address of each is the node's own."""
    region: str = ""
    zone: str = ""
    subzone: str = ""
    encryption_key: str = ""
    """Its public key of WireGuard; empty while it has told none."""
    ready: bool = True
    """False once it is known to be lost: then others announce its addresses."""
    announces: bool = True
    """False: it answers for no addresses of load balancers (a label says so)."""
    leaving: bool = False
    """It soon does not: clients of its gateways are told to come back on other connections."""
    families: tuple[int, ...] = ()
    """Of how many families a pod has an address; empty: of those of the blocks."""
    borrowed: tuple[str, ...] = ()
    """Addresses of other nodes' blocks that live behind this node."""
    lent: tuple[Mark, ...] = ()
    """Addresses of its blocks that it must not give."""
    closed: tuple[Mark, ...] = ()
    """Blocks, and borrowed addresses as prefixes, out of which it gives nothing new."""

    @property
    def locality(self) -> Locality:
        """Where it is, and its pods with it."""
        return Locality(region=self.region, zone=self.zone, subzone=self.subzone)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Everything that others send to this node: its blocks, and what it has borrowed of theirs."""
        return (*self.pod_cidrs, *map(host_prefix, self.borrowed))

    def holds(self, address: str) -> bool:
        """True if others send it to this node; False also for what is no address."""
        with suppress(ValueError):
            return any(address in Block(prefix) for prefix in self.prefixes)
        return False


class MeshConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What every node must know about the whole."""

    trust_domain: str
    cluster_domain: str
    dns_addresses: tuple[str, ...]
    """One per family of the Services."""
    service_cidrs: tuple[str, ...]
    network: Network = Network()
    pod_networks: tuple[str, ...] = ()
    """The prefixes of all pools of pod addresses; empty where others share addresses out."""
    reserved: tuple[str, ...] = ()
    """Prefixes of pod addresses that are given only to pods that ask for one of them."""
    locality: LocalityBalancing = LocalityBalancing()
    """What holds of Services about which no rule says anything else."""
    trust_sources: tuple[TrustSource, ...] = ()
    """Where each node learns whom to trust beside `roots_pem`."""
    roots_pem: str = ""
    """Whom every node trusts to say who somebody is; empty: nobody."""
    signer: str = ""
    """Fingerprint of the certificate that signs: identities that another one signed are asked for anew."""
    announces: bool = False
    """There are policies: an ADD tells control of its addresses, and waits a little for rules about its pod."""

    @property
    def domains(self) -> Domains:
        """Whose identities count."""
        return domains_of(self.trust_domain, self.trust_sources)
