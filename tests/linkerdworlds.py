"""Builders of Linkerd's objects for tests: `server("web", port=8080)`; all of them go through `model.parse`."""

from __future__ import annotations

from typing import Any, Final, TypeVar, cast

import msgspec

from builders import pod
from tandem.model.closing import CLOSING, read_policy
from tandem.model.core import Pod
from tandem.model.linkerd import (
    GROUP,
    HTTPLocalRateLimitPolicy,
    LinkerdAuthorizationPolicy,
    LinkerdHTTPRoute,
    MeshTLSAuthentication,
    NetworkAuthentication,
    Server,
    ServerAuthorization,
)
from tandem.model.linkerdprofile import ServiceProfile
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.mesh.linkerd.servers import Judged, ServerIndex

Raw = dict[str, Any]
T = TypeVar("T", bound=Object)
END = "serviceaccount.identity.linkerd.cluster.local"


def _made(kind: str, name: str, spec: Raw, ns: str = "default", **meta: Any) -> Object:
    version = {"Server": "v1beta3", "HTTPRoute": "v1beta3", "ServerAuthorization": "v1beta1"}.get(kind, "v1alpha1")
    whole = {"name": name, "namespace": ns, "uid": f"uid-{kind}-{ns}-{name}", "generation": 1, **meta}
    raw = {"apiVersion": f"{GROUP}/{version}", "kind": kind, "metadata": whole, "spec": spec}
    return read_policy(raw) if kind in CLOSING and kind != "AuthorizationPolicy" else parse(raw)


def server(
    name: str = "web", *, ns: str = "default", created: str = "", labels: dict[str, str] | None = None, **spec: Any
) -> Server:
    """A Server at port 8080 of all pods; keywords are the fields of its spec."""
    given = {"podSelector": {}, "port": 8080, **spec}
    return cast("Server", _made("Server", name, given, ns, labels=labels or {}, creationTimestamp=created or None))


def allowing(target: str | Raw, *refs: Raw, name: str = "who", ns: str = "default") -> LinkerdAuthorizationPolicy:
    """An AuthorizationPolicy of a Server (by its name) or another target."""
    named = {"group": GROUP, "kind": "Server", "name": target} if isinstance(target, str) else target
    spec = {"targetRef": named, "requiredAuthenticationRefs": list(refs)}
    return cast("LinkerdAuthorizationPolicy", _made("AuthorizationPolicy", name, spec, ns))


def at_route(name: str, *, kind: str = "HTTPRoute", group: str = GROUP) -> Raw:
    """A route as a target."""
    return {"group": group, "kind": kind, "name": name}


def by(kind: str, name: str, ns: str = "") -> Raw:
    """A reference to an authentication; a ServiceAccount is of the core group."""
    group = {} if kind == "ServiceAccount" else {"group": GROUP}
    return {"kind": kind, "name": name, **group, **({"namespace": ns} if ns else {})}


def mesh_tls(name: str = "ids", *, ns: str = "default", **spec: Any) -> MeshTLSAuthentication:
    """A MeshTLSAuthentication; keywords are the fields of its spec."""
    return cast("MeshTLSAuthentication", _made("MeshTLSAuthentication", name, spec, ns))


def networks(*entries: str | Raw, name: str = "nets", ns: str = "default") -> NetworkAuthentication:
    """A NetworkAuthentication of prefixes."""
    listed = [{"cidr": one} if isinstance(one, str) else one for one in entries]
    return cast("NetworkAuthentication", _made("NetworkAuthentication", name, {"networks": listed}, ns))


def older(name: str = "old", *, ns: str = "default", client: Raw, **target: Any) -> ServerAuthorization:
    """A ServerAuthorization, by default of the Server web."""
    spec = {"server": target or {"name": "web"}, "client": client}
    return cast("ServerAuthorization", _made("ServerAuthorization", name, spec, ns))


def limits(name: str = "few", target: str = "web", *, ns: str = "default", **spec: Any) -> HTTPLocalRateLimitPolicy:
    """An HTTPLocalRateLimitPolicy of a Server; keywords are the fields of its spec."""
    given = {"targetRef": {"group": GROUP, "kind": "Server", "name": target}, **spec}
    return cast("HTTPLocalRateLimitPolicy", _made("HTTPLocalRateLimitPolicy", name, given, ns))


def route(
    name: str = "r", *matches: Raw, ns: str = "default", server: str = "web", created: str = "", **spec: Any
) -> LinkerdHTTPRoute:
    """An HTTPRoute of this API at a Server, with one rule of these matches; keywords are the fields of its spec."""
    parents = [{"kind": "Server", "name": server}]
    given = {"parentRefs": parents, "rules": [{"matches": list(matches)}] if matches else [{}], **spec}
    return cast("LinkerdHTTPRoute", _made("HTTPRoute", name, given, ns, creationTimestamp=created or None))


def profile(service: str = "a", *routes: Raw, ns: str = "default", of: str = "default", **spec: Any) -> ServiceProfile:
    """A ServiceProfile of a Service in the namespace `of`; keywords are the other fields of its spec."""
    name = f"{service}.{of}.svc.cluster.local"
    meta: Raw = {"name": name, "namespace": ns, "uid": f"uid-{ns}-{name}", "generation": 1}
    raw = {"apiVersion": "linkerd.io/v1alpha2", "kind": "ServiceProfile", "metadata": meta}
    return cast("ServiceProfile", parse({**raw, "spec": {"routes": list(routes), **spec}}))


def noted(obj: T, policy: str, ports: str = "") -> T:
    """The same with a default inbound policy, and ports that ask for an identity; empty: with none."""
    config = "config.linkerd.io"
    both = {f"{config}/default-inbound-policy": policy, f"{config}/proxy-require-identity-inbound-ports": ports}
    return with_notes(obj, {name: text for name, text in both.items() if text})


def with_notes(obj: T, notes: dict[str, str]) -> T:
    """The same with these annotations."""
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, annotations=notes))


WEB: Final = pod("web", app="web", ports={"http": 8080, "more": 9090})
PROBED: Final = pod(
    "p", spec={"containers": [{"name": "c", "readinessProbe": {"httpGet": {"port": 8080, "path": "/ready"}}}]}
)


def judged(*objects: Object, at: Pod = WEB) -> Judged:
    """What these objects say of a pod."""
    return ServerIndex(World.of(objects), "cluster.local").judged(at)
