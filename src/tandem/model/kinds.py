"""The registry of kinds: group, served versions, plural, scope, and the model class. Order is data."""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.model import (
    adminpolicy,
    backendtls,
    canary,
    clusterpolicy,
    coordination,
    core,
    egress,
    faults,
    gateway,
    gateways,
    grpcroute,
    ipam,
    istio,
    istiogateway,
    listenersets,
    network,
    policy,
    pools,
    ratelimit,
    security,
    tcproute,
    tlsroute,
    udproute,
    xmesh,
)
from tandem.model.meta import Object, RawObject


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind that the API serves. `versions[0]` is the storage version (the others are the same in form)."""

    group: str
    versions: tuple[str, ...]
    kind: str
    plural: str
    singular: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    status: bool = False
    """True if it has a status subresource."""
    cls: type[Object]

    @property
    def api_version(self) -> str:
        """`group/version` (or `version` in the core group) of the storage version."""
        return f"{self.group}/{self.versions[0]}" if self.group else self.versions[0]

    @property
    def name(self) -> str:
        """What it is called among all kinds: its `kind`, with a word before it where another group has the same."""
        return self.cls.__name__


KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        group="",
        versions=("v1",),
        kind="Namespace",
        plural="namespaces",
        singular="namespace",
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
        singular="node",
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
        singular="serviceaccount",
        short=("sa",),
        cls=core.ServiceAccount,
    ),
    Kind(
        group="",
        versions=("v1",),
        kind="ConfigMap",
        plural="configmaps",
        singular="configmap",
        short=("cm",),
        cls=core.ConfigMap,
    ),
    Kind(group="", versions=("v1",), kind="Secret", plural="secrets", singular="secret", cls=core.Secret),
    Kind(
        group="",
        versions=("v1",),
        kind="Service",
        plural="services",
        singular="service",
        short=("svc",),
        status=True,
        cls=core.Service,
    ),
    Kind(
        group="", versions=("v1",), kind="Pod", plural="pods", singular="pod", short=("po",), status=True, cls=core.Pod
    ),
    Kind(
        group="apps",
        versions=("v1",),
        kind="Deployment",
        plural="deployments",
        singular="deployment",
        short=("deploy",),
        status=True,
        cls=core.Deployment,
    ),
    Kind(
        group="discovery.k8s.io",
        versions=("v1",),
        kind="EndpointSlice",
        plural="endpointslices",
        singular="endpointslice",
        cls=core.EndpointSlice,
    ),
    Kind(
        group="coordination.k8s.io",
        versions=("v1",),
        kind="Lease",
        plural="leases",
        singular="lease",
        cls=coordination.Lease,
    ),
    Kind(
        group="networking.k8s.io",
        versions=("v1",),
        kind="NetworkPolicy",
        plural="networkpolicies",
        singular="networkpolicy",
        short=("netpol",),
        status=True,
        cls=policy.NetworkPolicy,
    ),
    Kind(
        group="policy.networking.k8s.io",
        versions=("v1beta1", "v1alpha2"),
        kind="ClusterNetworkPolicy",
        plural="clusternetworkpolicies",
        singular="clusternetworkpolicy",
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
        singular="adminnetworkpolicy",
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
        singular="baselineadminnetworkpolicy",
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
        singular="virtualservice",
        short=("vs",),
        status=True,
        cls=istio.VirtualService,
    ),
    Kind(
        group="networking.istio.io",
        versions=("v1", "v1beta1", "v1alpha3"),
        kind="DestinationRule",
        plural="destinationrules",
        singular="destinationrule",
        short=("dr",),
        status=True,
        cls=istio.DestinationRule,
    ),
    Kind(
        group="networking.istio.io",
        versions=("v1", "v1beta1", "v1alpha3"),
        kind="ServiceEntry",
        plural="serviceentries",
        singular="serviceentry",
        short=("se",),
        status=True,
        cls=egress.ServiceEntry,
    ),
    Kind(
        group="networking.istio.io",
        versions=("v1", "v1beta1", "v1alpha3"),
        kind="WorkloadEntry",
        plural="workloadentries",
        singular="workloadentry",
        short=("we",),
        status=True,
        cls=egress.WorkloadEntry,
    ),
    Kind(
        group="networking.istio.io",
        versions=("v1", "v1beta1", "v1alpha3"),
        kind="Sidecar",
        plural="sidecars",
        singular="sidecar",
        status=True,
        cls=egress.Sidecar,
    ),
    Kind(
        group="security.istio.io",
        versions=("v1", "v1beta1"),
        kind="PeerAuthentication",
        plural="peerauthentications",
        singular="peerauthentication",
        short=("pa",),
        status=True,
        cls=security.PeerAuthentication,
    ),
    Kind(
        group="security.istio.io",
        versions=("v1", "v1beta1"),
        kind="RequestAuthentication",
        plural="requestauthentications",
        singular="requestauthentication",
        short=("ra",),
        status=True,
        cls=security.RequestAuthentication,
    ),
    Kind(
        group="security.istio.io",
        versions=("v1", "v1beta1"),
        kind="AuthorizationPolicy",
        plural="authorizationpolicies",
        singular="authorizationpolicy",
        short=("ap",),
        status=True,
        cls=security.AuthorizationPolicy,
    ),
    Kind(
        group="gateway.networking.k8s.io",
        versions=("v1", "v1beta1"),
        kind="HTTPRoute",
        plural="httproutes",
        singular="httproute",
        status=True,
        cls=gateway.HTTPRoute,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1", "v1beta1"),
        kind="GatewayClass",
        plural="gatewayclasses",
        singular="gatewayclass",
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
        singular="gateway",
        short=("gtw",),
        status=True,
        cls=gateways.Gateway,
    ),
    Kind(
        group="networking.istio.io",
        versions=("v1", "v1beta1", "v1alpha3"),
        kind="Gateway",
        plural="gateways",
        singular="gateway",
        short=("gw",),
        status=True,
        cls=istiogateway.IstioGateway,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1",),
        kind="ListenerSet",
        plural="listenersets",
        singular="listenerset",
        short=("lset",),
        status=True,
        cls=listenersets.ListenerSet,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1", "v1beta1"),
        kind="ReferenceGrant",
        plural="referencegrants",
        singular="referencegrant",
        short=("refgrant",),
        cls=gateways.ReferenceGrant,
    ),
    Kind(
        group="gateway.networking.k8s.io",
        versions=("v1",),
        kind="GRPCRoute",
        plural="grpcroutes",
        singular="grpcroute",
        status=True,
        cls=grpcroute.GRPCRoute,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1", "v1alpha2"),
        kind="TCPRoute",
        plural="tcproutes",
        singular="tcproute",
        status=True,
        cls=tcproute.TCPRoute,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1", "v1alpha2", "v1alpha3"),
        kind="TLSRoute",
        plural="tlsroutes",
        singular="tlsroute",
        status=True,
        cls=tlsroute.TLSRoute,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1", "v1alpha3"),
        kind="BackendTLSPolicy",
        plural="backendtlspolicies",
        singular="backendtlspolicy",
        short=("btlspolicy",),
        status=True,
        cls=backendtls.BackendTLSPolicy,
    ),
    Kind(
        group=gateways.GROUP,
        versions=("v1", "v1alpha2"),
        kind="UDPRoute",
        plural="udproutes",
        singular="udproute",
        status=True,
        cls=udproute.UDPRoute,
    ),
    Kind(
        group="gateway.networking.x-k8s.io",
        versions=("v1alpha1",),
        kind="XMesh",
        plural="xmeshes",
        singular="xmesh",
        short=("mesh",),
        namespaced=False,
        status=True,
        cls=xmesh.XMesh,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="Network",
        plural="networks",
        singular="network",
        namespaced=False,
        status=True,
        cls=network.Network,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="Canary",
        plural="canaries",
        singular="canary",
        status=True,
        cls=canary.Canary,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="RateLimit",
        plural="ratelimits",
        singular="ratelimit",
        status=True,
        cls=ratelimit.RateLimit,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="FaultInjection",
        plural="faultinjections",
        singular="faultinjection",
        status=True,
        cls=faults.FaultInjection,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="LoadBalancerPool",
        plural="loadbalancerpools",
        singular="loadbalancerpool",
        short=("lbpool",),
        namespaced=False,
        cls=pools.LoadBalancerPool,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="IPPool",
        plural="ippools",
        singular="ippool",
        namespaced=False,
        cls=ipam.IPPool,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="IPReservation",
        plural="ipreservations",
        singular="ipreservation",
        namespaced=False,
        cls=ipam.IPReservation,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="IPAMBlock",
        plural="ipamblocks",
        singular="ipamblock",
        namespaced=False,
        cls=ipam.IPAMBlock,
    ),
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
    "PeerAuthentication",
    "RequestAuthentication",
    "AuthorizationPolicy",
    "HTTPRoute",
    "GRPCRoute",
    "TCPRoute",
    "TLSRoute",
    "BackendTLSPolicy",
    "UDPRoute",
    "Canary",
    "RateLimit",
    "FaultInjection",
    "Gateway",
    "IstioGateway",
    "ListenerSet",
    "Network",
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
        names = {kind.plural, kind.singular, kind.kind.lower(), *kind.short}
        if (
            wanted in names
            or wanted == kind.name.lower()
            or (kind.group and wanted in {f"{n}.{kind.group}" for n in names})
        ):
            return kind
    return None
