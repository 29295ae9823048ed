"""Kinds of consul.hashicorp.com, in the order of the registry, and what does here what those are for that are not."""

from __future__ import annotations

from typing import Final

from tandem.model import consul, consuldefaults, consulroutes, consultokens
from tandem.model.kind import Kind

CONSUL: Final = (
    Kind(
        group="consul.hashicorp.com",
        versions=("v1alpha1",),
        kind="ServiceIntentions",
        plural="serviceintentions",
        short=("service-intentions",),
        status=True,
        cls=consul.ServiceIntentions,
    ),
    Kind(
        group="consul.hashicorp.com",
        versions=("v1alpha1",),
        kind="ServiceRouter",
        plural="servicerouters",
        short=("service-router",),
        status=True,
        cls=consulroutes.ServiceRouter,
    ),
    Kind(
        group="consul.hashicorp.com",
        versions=("v1alpha1",),
        kind="ServiceSplitter",
        plural="servicesplitters",
        short=("service-splitter",),
        status=True,
        cls=consulroutes.ServiceSplitter,
    ),
    Kind(
        group="consul.hashicorp.com",
        versions=("v1alpha1",),
        kind="ServiceResolver",
        plural="serviceresolvers",
        short=("service-resolver",),
        status=True,
        cls=consulroutes.ServiceResolver,
    ),
    Kind(
        group="consul.hashicorp.com",
        versions=("v1alpha1",),
        kind="ServiceDefaults",
        plural="servicedefaults",
        short=("service-defaults",),
        status=True,
        cls=consuldefaults.ServiceDefaults,
    ),
    Kind(
        group="consul.hashicorp.com",
        versions=("v1alpha1",),
        kind="JWTProvider",
        plural="jwtproviders",
        status=True,
        cls=consultokens.JWTProvider,
    ),
)
_EDGE: Final = "traffic from outside comes in by Gateway of the Gateway API"
_FAR: Final = "there is one cluster here, and no peer, partition or datacenter beside it"
INSTEAD: Final = {
    "ProxyDefaults": "what holds for all proxies is said by Telemetry, by the ConfigMap istio, and per Service",
    "Mesh": "what holds for the whole mesh is said by PeerAuthentication in the root namespace and the ConfigMap istio",
    "IngressGateway": _EDGE,
    "TerminatingGateway": "hosts outside are known by ServiceEntry",
    "ExportedServices": _FAR,
    "SamenessGroup": _FAR,
    "PeeringAcceptor": _FAR,
    "PeeringDialer": _FAR,
    "Registration": "hosts outside are known by ServiceEntry and WorkloadEntry",
    "ControlPlaneRequestLimit": "there are no servers of Consul to protect",
}
"""Kinds of Consul that are not served."""
