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
        singular="server",
        short=("srv",),
        status=True,
        cls=linkerd.Server,
    ),
    Kind(
        group=linkerd.GROUP,
        versions=("v1beta1", "v1alpha1"),
        kind="ServerAuthorization",
        plural="serverauthorizations",
        singular="serverauthorization",
        short=("saz",),
        status=True,
        cls=linkerd.ServerAuthorization,
    ),
    Kind(
        group=linkerd.GROUP,
        versions=("v1alpha1",),
        kind="AuthorizationPolicy",
        plural="authorizationpolicies",
        singular="authorizationpolicy",
        status=True,
        cls=linkerd.LinkerdAuthorizationPolicy,
    ),
    Kind(
        group=linkerd.GROUP,
        versions=("v1alpha1",),
        kind="MeshTLSAuthentication",
        plural="meshtlsauthentications",
        singular="meshtlsauthentication",
        status=True,
        cls=linkerd.MeshTLSAuthentication,
    ),
    Kind(
        group=linkerd.GROUP,
        versions=("v1alpha1",),
        kind="NetworkAuthentication",
        plural="networkauthentications",
        singular="networkauthentication",
        status=True,
        cls=linkerd.NetworkAuthentication,
    ),
    Kind(
        group=linkerd.GROUP,
        versions=("v1beta3", "v1beta2", "v1beta1", "v1alpha1"),
        kind="HTTPRoute",
        plural="httproutes",
        singular="httproute",
        status=True,
        cls=linkerd.LinkerdHTTPRoute,
    ),
    Kind(
        group=linkerd.GROUP,
        versions=("v1alpha1",),
        kind="HTTPLocalRateLimitPolicy",
        plural="httplocalratelimitpolicies",
        singular="httplocalratelimitpolicy",
        status=True,
        cls=linkerd.HTTPLocalRateLimitPolicy,
    ),
    Kind(
        group=linkerdprofile.GROUP,
        versions=("v1alpha2", "v1alpha1"),
        kind="ServiceProfile",
        plural="serviceprofiles",
        singular="serviceprofile",
        short=("sp",),
        status=True,
        cls=linkerdprofile.ServiceProfile,
    ),
)
