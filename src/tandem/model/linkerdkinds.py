"""The kinds of Linkerd's API groups that are served. Order is data."""

from __future__ import annotations

from typing import Final

from tandem.model import linkerd, linkerdprofile
from tandem.model.kind import Kind

LINKERD: Final[tuple[Kind, ...]] = (
    Kind(
        group=linkerd.GROUP,
        versions=("v1beta3", "v1beta2", "v1beta1", "v1alpha1"),
        kind="Server",
        plural="servers",
        short=("srv",),
        status=True,
        cls=linkerd.Server,
    ),
    Kind(
        group=linkerd.GROUP,
        versions=("v1beta1", "v1alpha1"),
        kind="ServerAuthorization",
        plural="serverauthorizations",
        short=("saz",),
        status=True,
        cls=linkerd.ServerAuthorization,
    ),
    Kind(
        group=linkerd.GROUP,
        versions=("v1alpha1",),
        kind="AuthorizationPolicy",
        plural="authorizationpolicies",
        status=True,
        cls=linkerd.LinkerdAuthorizationPolicy,
    ),
    Kind(
        group=linkerd.GROUP,
        versions=("v1alpha1",),
        kind="MeshTLSAuthentication",
        plural="meshtlsauthentications",
        status=True,
        cls=linkerd.MeshTLSAuthentication,
    ),
    Kind(
        group=linkerd.GROUP,
        versions=("v1alpha1",),
        kind="NetworkAuthentication",
        plural="networkauthentications",
        status=True,
        cls=linkerd.NetworkAuthentication,
    ),
    Kind(
        group=linkerd.GROUP,
        versions=("v1beta3", "v1beta2", "v1beta1", "v1alpha1"),
        kind="HTTPRoute",
        plural="httproutes",
        status=True,
        cls=linkerd.LinkerdHTTPRoute,
    ),
    Kind(
        group=linkerd.GROUP,
        versions=("v1alpha1",),
        kind="HTTPLocalRateLimitPolicy",
        plural="httplocalratelimitpolicies",
        status=True,
        cls=linkerd.HTTPLocalRateLimitPolicy,
    ),
    Kind(
        group=linkerdprofile.GROUP,
        versions=("v1alpha2", "v1alpha1"),
        kind="ServiceProfile",
        plural="serviceprofiles",
        short=("sp",),
        status=True,
        cls=linkerdprofile.ServiceProfile,
    ),
)

INSTEAD: Final = {
    "EgressNetwork": "hosts outside are told by networking.istio.io/v1 ServiceEntry, and who may reach them by Sidecar",
    "ExternalWorkload": "workloads outside of the cluster are networking.istio.io/v1 WorkloadEntry of a ServiceEntry",
    "HTTPLocalConcurrencyLimitPolicy": "what is under way at one time is limited by tandem.io/v1 TrafficPolicy",
    "TrafficSplit": "shares by weight are gateway.networking.k8s.io/v1 HTTPRoute, or dstOverrides of a ServiceProfile",
    "Link": "there is one cluster here, and nothing beside it",
}
"""Kinds that users of Linkerd have and that are not served, and what does here what they are for."""
