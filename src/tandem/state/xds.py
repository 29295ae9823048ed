"""An xDS snapshot: type URL -> resource name -> resource, with content versions and where each came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tandem.base.problems import Origin

ENVOY: Final = "type.googleapis.com/envoy."
LISTENER: Final = ENVOY + "config.listener.v3.Listener"
CLUSTER: Final = ENVOY + "config.cluster.v3.Cluster"
ENDPOINT: Final = ENVOY + "config.endpoint.v3.ClusterLoadAssignment"
ROUTE: Final = ENVOY + "config.route.v3.RouteConfiguration"
EXTENSION: Final = ENVOY + "config.core.v3.TypedExtensionConfig"
SECRET: Final = ENVOY + "extensions.transport_sockets.tls.v3.Secret"

# The order in which Envoy must hear of them (design decision: CDS, EDS, LDS, RDS; secrets are asked for by name). What
# filters do changes before the routes that count on it.
ORDER: Final = (CLUSTER, ENDPOINT, SECRET, EXTENSION, LISTENER, ROUTE)

RBAC_METADATA: Final = ("envoy.filters.http.rbac", "envoy.filters.network.rbac")
"""Where rules that only look on leave what they found, each sort under a prefix of its own."""
AUDITED: Final = "audit_"
STAGED_DENY: Final = "staged_deny_"
STAGED_ALLOW: Final = "staged_allow_"
ASKED: Final = "asked_"
SHADOW_RESULT: Final = "shadow_engine_result"
SHADOW_RULE: Final = "shadow_effective_policy_id"
"""After the prefix: `denied` where a rule (of a denial) holds, and the name of that rule."""

ROUTE_METADATA: Final = "tandem.io"
"""Where routes say what they come from, and under LIMITS what is counted of their requests."""
LIMITS: Final = "tandem.limits"
"""Where the filters that count leave what they found."""
LIMIT: Final = "limit"
"""The Origin (JSON) of the limit that was asked last: of a request that was refused, the one that refused it."""
STAGED_LIMIT: Final = "staged-"
"""Before a number: the Origin of a staged limit that would have refused."""

UPSTREAM_IDENTITY: Final = "upstream_identity"
"""Custom tag in access log entries: the SPIFFE id that the upstream proved, absent on plain connections."""
GENERATION: Final = "generation"
"""In an Envoy's node metadata: how many of the same node took over before it."""
GRPC_STATUS: Final = "grpc_status"
"""Custom tag in access log entries of requests: the number of the gRPC status, `-` where there is none."""

DIVIDED: Final = "divided"
"""Tag of a connection that a Canary has divided: the name of the route that had it."""
LOGGED: Final = "logged"
"""Custom tag in access log entries, where not all become flows."""
LOGGED_IF: Final = "if "
"""Begins its value, then `true` for those that do: a tag without any text would be left out by Envoy."""

ROOTS: Final = "ROOTCA"
"""SDS name of the roots of our own trust domain."""
PEERS: Final = "PEERS"
"""SDS name of what clients are held against where there are sources of trust: each trust domain with its own roots."""


def domain_roots(domain: str) -> str:
    """SDS name of the roots of another trust domain."""
    return f"roots/{domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One xDS resource as a JSON tree in protobuf's JSON mapping, snake_case field names as in the .proto files.

    `origins` are the manifests whose acceptance depends on Envoy's acceptance of this resource.
    """

    name: str
    body: Mapping[str, Any]
    origins: frozenset[Origin] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything one Envoy should have. Secrets are not here: private keys stay in the identity driver."""

    resources: Mapping[str, Mapping[str, Resource]] = field(default_factory=dict)
