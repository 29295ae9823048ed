"""The registry of kinds: group, served versions, plural, scope, and the model class. Order is data."""

from __future__ import annotations

from typing import Final

from tandem.model import (
    adminpolicy,
    backendtls,
    backendtraffic,
    clusterpolicy,
    coordination,
    core,
    egress,
    gateway,
    gateways,
    grpcroute,
    istio,
    istiogateway,
    listenersets,
    policy,
    security,
    stateful,
    tcproute,
    telemetry,
    tlsroute,
    udproute,
    xmesh,
)
from tandem.model.consulkinds import CONSUL
from tandem.model.events import EVENTS
from tandem.model.kind import Kind as Kind  # noqa: PLC0414 - callers need one import
from tandem.model.linkerdkinds import LINKERD
from tandem.model.meta import RawObject
from tandem.model.ownkinds import OWN

KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        group="",
        versions=("v1",),
        kind="Namespace",
        plural="namespaces",
        short=("ns",),
        namespaced=False,
        status=True,
        cls=core.Namespace,
    ),
    Kind(
        group="",
        versions=("v1",),
        kind="Node",
        plural="nodes",
        short=("no",),
        namespaced=False,
        status=True,
        cls=core.Node,
    ),
    Kind(
        group="",
        versions=("v1",),
        kind="ServiceAccount",
        plural="serviceaccounts",
        short=("sa",),
        cls=core.ServiceAccount,
    ),
    Kind(
        group="",
        versions=("v1",),
        kind="ConfigMap",
        plural="configmaps",
        short=("cm",),
        cls=core.ConfigMap,
    ),
    Kind(group="", versions=("v1",), kind="Secret", plural="secrets", cls=core.Secret),
    Kind(
        group="",
        versions=("v1",),
        kind="Service",
        plural="services",
        short=("svc",),
        status=True,
        cls=core.Service,
    ),
    Kind(group="", versions=("v1",), kind="Pod", plural="pods", short=("po",), status=True, cls=core.Pod),
    Kind(
        group="apps",
        versions=("v1",),
        kind="Deployment",
        plural="deployments",
        short=("deploy",),
        status=True,
        cls=core.Deployment,
    ),
    Kind(
        group="apps",
        versions=("v1",),
        kind="StatefulSet",
        plural="statefulsets",
        short=("sts",),
        status=True,
        cls=stateful.StatefulSet,
    ),
    Kind(
        group="discovery.k8s.io",
        versions=("v1",),
        kind="EndpointSlice",
        plural="endpointslices",
        cls=core.EndpointSlice,
    ),
    Kind(
        group="coordination.k8s.io",
        versions=("v1",),
        kind="Lease",
        plural="leases",
        cls=coordination.Lease,
    ),
    *EVENTS,
    Kind(
        group="networking.k8s.io",
        versions=("v1",),
        kind="NetworkPolicy",
        plural="networkpolicies",
        short=("netpol",),
        status=True,
        cls=policy.NetworkPolicy,
    ),
    Kind(
        group="policy.networking.k8s.io",
        versions=("v1beta1", "v1alpha2"),
        kind="ClusterNetworkPolicy",
        plural="clusternetworkpolicies",
        short=("cnp",),
        namespaced=False,
        status=True,
        cls=clusterpolicy.ClusterNetworkPolicy,
    ),
    Kind(
        group="policy.networking.k8s.io",
        versions=("v1alpha1",),
        kind="AdminNetworkPolicy",
        plural="adminnetworkpolicies",
        short=("anp",),
        namespaced=False,
        status=True,
        cls=adminpolicy.AdminNetworkPolicy,
    ),
    Kind(
        group="policy.networking.k8s.io",
        versions=("v1alpha1",),
        kind="BaselineAdminNetworkPolicy",
        plural="baselineadminnetworkpolicies",
        short=("banp",),
        namespaced=False,
        status=True,
        cls=adminpolicy.BaselineAdminNetworkPolicy,
    ),
    Kind(
        group="networking.istio.io",
        versions=("v1", "v1beta1", "v1alpha3"),
        kind="VirtualService",
        plural="virtualservices",
        short=("vs",),
        status=True,
        cls=istio.VirtualService,
    ),
    Kind(
        group="networking.istio.io",
        versions=("v1", "v1beta1", "v1alpha3"),
        kind="DestinationRule",
        plural="destinationrules",
        short=("dr",),
        status=True,
        cls=istio.DestinationRule,
    ),
    Kind(
        group="networking.istio.io",
        versions=("v1", "v1beta1", "v1alpha3"),
        kind="ServiceEntry",
        plural="serviceentries",
        short=("se",),
        status=True,
        cls=egress.ServiceEntry,
    ),
    Kind(
        group="networking.istio.io",
        versions=("v1", "v1beta1", "v1alpha3"),
        kind="WorkloadEntry",
        plural="workloadentries",
        short=("we",),
        status=True,
        cls=egress.WorkloadEntry,
    ),
    Kind(
        group="networking.istio.io",
        versions=("v1", "v1beta1", "v1alpha3"),
        kind="Sidecar",
        plural="sidecars",
        status=True,
        cls=egress.Sidecar,
    ),
    Kind(
        group="networking.istio.io",
        versions=("v1beta1",),
        kind="ProxyConfig",
        plural="proxyconfigs",
        status=True,
        cls=telemetry.ProxyConfig,
    ),
    Kind(
        group="telemetry.istio.io",
        versions=("v1", "v1alpha1"),
        kind="Telemetry",
        plural="telemetries",
        short=("telemetry",),
        status=True,
        cls=telemetry.Telemetry,
    ),
    Kind(
        group="security.istio.io",
        versions=("v1", "v1beta1"),
        kind="PeerAuthentication",
        plural="peerauthentications",
        short=("pa",),
        status=True,
        cls=security.PeerAuthentication,
    ),
    Kind(
        group="security.istio.io",
        versions=("v1", "v1beta1"),
        kind="RequestAuthentication",
        plural="requestauthentications",
        short=("ra",),
        status=True,
        cls=security.RequestAuthentication,
    ),
    Kind(
        group="security.istio.io",
        versions=("v1", "v1beta1"),
        kind="AuthorizationPolicy",
        plural="authorizationpolicies",
        short=("ap",),
        status=True,
        cls=security.AuthorizationPolicy,
    ),
    Kind(
        group="gateway.networking.k8s.io",
        versions=("v1", "v1beta1"),
        kind="HTTPRoute",
        plural="httproutes",
        status=True,
        cls=gateway.HTTPRoute,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1", "v1beta1"),
        kind="GatewayClass",
        plural="gatewayclasses",
        short=("gc",),
        namespaced=False,
        status=True,
        cls=gateways.GatewayClass,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1", "v1beta1"),
        kind="Gateway",
        plural="gateways",
        short=("gtw",),
        status=True,
        cls=gateways.Gateway,
    ),
    Kind(
        group="networking.istio.io",
        versions=("v1", "v1beta1", "v1alpha3"),
        kind="Gateway",
        plural="gateways",
        short=("gw",),
        status=True,
        cls=istiogateway.IstioGateway,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1",),
        kind="ListenerSet",
        plural="listenersets",
        short=("lset",),
        status=True,
        cls=listenersets.ListenerSet,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1", "v1beta1"),
        kind="ReferenceGrant",
        plural="referencegrants",
        short=("refgrant",),
        cls=gateways.ReferenceGrant,
    ),
    Kind(
        group="gateway.networking.k8s.io",
        versions=("v1",),
        kind="GRPCRoute",
        plural="grpcroutes",
        status=True,
        cls=grpcroute.GRPCRoute,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1", "v1alpha2"),
        kind="TCPRoute",
        plural="tcproutes",
        status=True,
        cls=tcproute.TCPRoute,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1", "v1alpha2", "v1alpha3"),
        kind="TLSRoute",
        plural="tlsroutes",
        status=True,
        cls=tlsroute.TLSRoute,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1", "v1alpha3"),
        kind="BackendTLSPolicy",
        plural="backendtlspolicies",
        short=("btlspolicy",),
        status=True,
        cls=backendtls.BackendTLSPolicy,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1", "v1alpha2"),
        kind="UDPRoute",
        plural="udproutes",
        status=True,
        cls=udproute.UDPRoute,
    ),
    Kind(
        group="gateway.networking.x-k8s.io",
        versions=("v1alpha1",),
        kind="XBackendTrafficPolicy",
        plural="xbackendtrafficpolicies",
        short=("xbtrafficpolicy",),
        status=True,
        cls=backendtraffic.XBackendTrafficPolicy,
    ),
    Kind(
        group="gateway.networking.x-k8s.io",
        versions=("v1alpha1",),
        kind="XMesh",
        plural="xmeshes",
        short=("mesh",),
        namespaced=False,
        status=True,
        cls=xmesh.XMesh,
    ),
    *CONSUL,
    *LINKERD,
    *OWN,
)

BY_KIND: Final[dict[str, Kind]] = {k.name: k for k in KINDS}
"""By `Kind.name`."""
_NAMES: Final = {(k.group, k.kind): k.name for k in KINDS}
POLICIES: Final = ("NetworkPolicy", "ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy")
"""Kinds of network policy."""
PROGRAMMED: Final = (
    *POLICIES,
    "VirtualService",
    "DestinationRule",
    "ServiceEntry",
    "WorkloadEntry",
    "Sidecar",
    "ProxyConfig",
    "Telemetry",
    "PeerAuthentication",
    "RequestAuthentication",
    "AuthorizationPolicy",
    "Server",
    "ServerAuthorization",
    "LinkerdAuthorizationPolicy",
    "MeshTLSAuthentication",
    "NetworkAuthentication",
    "LinkerdHTTPRoute",
    "HTTPLocalRateLimitPolicy",
    "ServiceProfile",
    "HTTPRoute",
    "GRPCRoute",
    "TCPRoute",
    "TLSRoute",
    "BackendTLSPolicy",
    "UDPRoute",
    "Canary",
    "RateLimit",
    "FaultInjection",
    "TrafficPolicy",
    "XBackendTrafficPolicy",
    "Gateway",
    "IstioGateway",
    "ListenerSet",
    "Network",
    "TrustSource",
)
"""Kinds whose conditions say whether they are in force."""


def name_of(raw: RawObject) -> str:
    """The `Kind.name` of a raw object, for which its group counts; its `kind` where none of ours is of that group."""
    kind, group = str(raw.get("kind") or ""), str(raw.get("apiVersion") or "").rpartition("/")[0]
    return _NAMES.get((group, kind), kind)


def find(name: str) -> Kind | None:
    """The kind that a user means by `pods`, `po`, `Pod`, `virtualservice.networking.istio.io`; None if unknown.

    Of two kinds of one word the first is meant: `gateway` is the Gateway API's, and Istio's `gw` or `istiogateway`.
    """
    wanted = name.lower()
    for kind in KINDS:
        names = {kind.plural, kind.singular, *kind.short}
        if (
            wanted in names
            or wanted == kind.name.lower()
            or (kind.group and wanted in {f"{n}.{kind.group}" for n in names})
        ):
            return kind
    return None
