"""Every chain, set, interface, cluster, listener and route name is made here, and read back here.

A name has a readable part, then a digest where it must be bounded; the same input gives the same name for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tandem.base.digest import digest
from tandem.base.ids import ContainerId, GroupId, PodUid, PolicySetId
from tandem.base.problems import Origin

OUTBOUND_PORT: Final = 15001
INBOUND_PORT: Final = 15006
"""Envoy's sockets inside a pod's namespace."""

GATEWAYS: Final = {4: "169.254.1.1", 6: "fe80::1"}
"""The pods' next hop of each family; a permanent neighbour entry answers for it."""

SEGMENT: Final = "td-br"
"""The bridge of a node's pods. Its name begins as those of pods' links do: what comes from it comes from a pod."""

VXLAN: Final = "tandem-vx"
"""The tunnel device of the fabric vxlan."""

NET: Final = "net"
"""The domain within the cluster's that has a domain for each network, with the names that runtimes give there."""

PASSTHROUGH: Final = "passthrough"
"""Cluster that connects a pod to the address it dialled, in plain text."""

OUTSIDE: Final = "outside"
"""The route of requests to hosts that a pod does not see, where such are refused."""

REFUSED: Final = "refused"
"""Cluster without endpoints: what is sent there is closed before anything is opened."""

_EDGE: Final = "gateway"
"""Begins what a gateway stands under beside pods, whose uids it is none of."""

DATAGRAMS: Final = "dg-on"
"""Log prefix of the first datagram of a client that a gateway hands on."""

LOST_DATAGRAMS: Final = "dg-lost"
"""The same of what has nowhere to go."""

_LONGEST_NAME: Final = 255
"""Of what may be asked for in TLS (RFC 6066, as BoringSSL reads it)."""

AGENT: Final = "agent"
"""Cluster of the agent's socket (in Envoy's bootstrap): where access logs go."""


def host_ifname(container_id: ContainerId, ifname: str) -> str:
    """The host end of a pod's veth: 13 characters, of 15 allowed."""
    return f"td{digest(f'{container_id}/{ifname}', 11)}"


def bgp_session(kind: str, who: str) -> str:
    """The session of a node's BGP speaker with a peer: `node` and its name and family, or `peer` and its address."""
    return f"{kind}_{digest(who, 10)}"


def set_chain(policy_set: PolicySetId, *, staged: bool = False) -> str:
    """The chain of a policy set that judges (`staged`: that only tells)."""
    return f"{'pv' if staged else 'ps'}-{policy_set}"


def group_set(group: GroupId, family: int) -> str:
    """The nft set of a group's addresses of one family (4 or 6)."""
    return f"ag{family}-{group}"


def group_of(set_name: str) -> GroupId | None:
    """The group whose set that is; None for any other set."""
    kind, _, group = set_name.partition("-")
    return GroupId(group) if kind in {"ag4", "ag6"} else None


def crowd(said: Iterable[str]) -> str:
    """Many groups that are asked as one, by what is said of each."""
    return digest("\n".join(said), 12)


def crowd_table(crowd: str, family: int) -> str:
    """The set or map of a crowd's addresses of one family (4 or 6)."""
    return f"gm{family}-{crowd}"


def domain_set(patterns: tuple[str, ...], family: int) -> str:
    """The nft set of the addresses of one family (4 or 6) that were learned for these names (`ir.Domains`)."""
    return f"dn{family}-{digest(' '.join(patterns), 12)}"


def allowed(origin: Origin) -> str:
    """The counter of new connections that a rule allowed."""
    return f"ok-{digest(_rules((origin,)), 12)}"


def denied(origins: Iterable[Origin], *, staged: bool = False) -> str:
    """The counter of what a rule, or policies that isolate, denied (`staged`: would have); a rule's chain too."""
    return f"{'st' if staged else 'no'}-{digest(_rules(origins), 12)}"


def is_staged(prefix: str) -> bool:
    """True for the log prefix of a packet that went on, and that a staged policy would have denied."""
    return prefix.startswith(("pv-", "st-"))


def tells_isolation(prefix: str) -> bool:
    """True for the log prefix of a packet that no rule is about: the pod is isolated, or (staged) would be."""
    return prefix.startswith(("ps-", "pv-"))


def _rules(origins: Iterable[Origin]) -> str:
    """Without the place in a file: a line more above it makes no other rule."""
    return "\n".join(f"{o.kind} {o.namespace} {o.name} {o.path}" for o in origins)


def inbound_listener(pod: PodUid) -> str:
    """Envoy listener for what reaches a pod."""
    return f"in/{pod}"


def outbound_listener(pod: PodUid) -> str:
    """Envoy listener for what a pod sends."""
    return f"out/{pod}"


def inbound_routes(pod: PodUid, port: int = 0) -> str:
    """RDS name of what becomes of requests to a pod, or to a port that goes another way."""
    return f"admit/{pod}/{port}" if port else f"admit/{pod}"


def token_filter(pod: PodUid) -> str:
    """The filter that looks at tokens of requests to a pod; its configuration is a resource of that name."""
    return f"tokens/{pod}"


def check_filter(pod: PodUid) -> str:
    """The filter that asks an external authorizer about requests to a pod, likewise."""
    return f"ask/{pod}"


def spelling_filter(pod: PodUid) -> str:
    """The filter that takes away other spellings of headers at a gateway, likewise."""
    return f"spellings/{pod}"


def rbac_filter(pod: PodUid, action: str, port: int) -> str:
    """The filter that judges by the policies of one action at a port of a gateway, likewise."""
    return f"{action.lower()}/{pod}/{port}"


def app_cluster(pod: PodUid, port: int = 0) -> str:
    """Cluster that delivers to the application inside the pod; to a port that goes another way: below that name."""
    return f"app/{pod}/{port}" if port else f"app/{pod}"


def plain_app_cluster(pod: PodUid, port: int = 0) -> str:
    """The same in HTTP/1.1, whatever the client speaks."""
    return f"{app_cluster(pod, port)}/http1"


def service_cluster(namespace: str, service: str, port: int, subset: str = "") -> str:
    """Cluster of a service port, or of a subset of it; the EDS name is the same."""
    return f"svc/{namespace}/{service}/{port}" + (f"/{subset}" if subset else "")


def asked_name(host: str, port: int, subset: str = "") -> str:
    """What proxies ask for in TLS between each other, as Istio's do; empty for what TLS has no room for."""
    name = f"outbound_.{port}_.{subset}_.{host}"
    return name if len(name) <= _LONGEST_NAME and "*" not in name else ""


def alone(cluster: str) -> str:
    """The endpoints of a cluster by themselves, where those of others stand in for them; the EDS name is the same."""
    return f"alone/{cluster}"


def apart(namespace: str, service: str, cluster: str) -> str:
    """The same for the pods of one Service, whose calls have limits of their own; the EDS name is the same."""
    return f"of/{namespace}/{service}/{cluster}"


def callers(namespace: str, labels: tuple[tuple[str, str], ...] = ()) -> str:
    """Those who call Services by rules of their own: all of a namespace, or those with these labels."""
    return f"{namespace}~{digest(repr(labels), 6)}" if labels else namespace


def for_callers(who: str, cluster: str) -> str:
    """The same for these callers, for whom another rule holds; the EDS name is the same."""
    return f"for/{who}/{cluster}"


def callers_of(cluster: str) -> str:
    """For which of them the cluster of a service port is; empty: for all others."""
    parts = cluster.split("/")
    at = 3 if parts[0] == "of" else 0
    return parts[at + 1] if len(parts) > at + 1 and parts[at] == "for" else ""


def version_of(cluster: str) -> str:
    """`namespace/service` or `namespace/service/subset` of the cluster of a service port; empty for any other.

    A gateway's own is one of them.
    """
    found = service_port(cluster)
    return "/".join(filter(None, (found[0], found[1], found[3]))) if found is not None else ""


def service_port(cluster: str) -> tuple[str, str, int, str] | None:
    """Namespace, Service, port and subset (empty: none) of the cluster of a service port, a gateway's own as well."""
    kind, *parts = cluster.removeprefix("alone/").split("/")
    for among, many in (("of", 2), ("for", 1)):
        if kind == among:
            kind, *parts = "/".join(parts[many:]).removeprefix("alone/").split("/")
    if kind == "mirror" and parts[0] == _EDGE:
        kind, *parts = parts[3:] or [""]
    if kind not in {"svc", "pod"} or len(parts) < 3:
        return None
    return parts[0], parts[1], int(parts[2]), "/".join(parts[3:])


def client_cluster(client: PodUid, cluster: str) -> str:
    """The same for one client: copies of a pod's requests, what its proxy asks, and everything that a gateway sends.

    Of a pod's the connection is not known there, and so no identity.
    """
    return f"mirror/{client}/{cluster}"


def dialled_cluster(namespace: str, service: str, port: int) -> str:
    """Cluster that keeps the pod address that was dialled, with mTLS: meshed endpoints of a headless service."""
    return f"pod/{namespace}/{service}/{port}"


def route_config(namespace: str, service: str, port: int, consumer: str = "", variant: str = "") -> str:
    """RDS name of the routes to a service port (as pods of `consumer` see it, and those for which `variant` holds)."""
    name = f"rt/{namespace}/{service}/{port}" + (f"@{consumer}" if consumer else "")
    return name + (f"~{variant}" if variant else "")


def hosted_routes(port: int, routes: tuple[str, ...]) -> str:
    """RDS name of the routes of a port that is told by the authority of requests, made of these."""
    return f"host/{port}~{digest(' '.join(routes), 12)}"


def gateway_listener(namespace: str, name: str, port: int, *, quic: bool = False) -> str:
    """Envoy listener of a gateway's port, of connections of TCP or of QUIC."""
    return f"gw/{namespace}/{name}/{port}" + ("/quic" if quic else "")


def gateway_routes(namespace: str, name: str, port: int, listener: str = "") -> str:
    """RDS name of the routes at a gateway's port (with TLS: at one listener of it)."""
    return f"edge/{namespace}/{name}/{port}" + (f"/{listener}" if listener else "")


def gateway_certificate(name: str) -> str:
    """SDS name of a certificate that clients of gateways are shown."""
    return f"certificate/{name}"


def gateway_client(namespace: str, name: str, *, tls: bool = False) -> PodUid:
    """Under what a gateway stands beside pods, where clusters and logs are named by who sends.

    `tls`: as one that opens TLS to backends. No name of an object has a tilde.
    """
    return PodUid(f"{_EDGE}/{namespace}/{name}" + ("~tls" if tls else ""))


def authz_rule(origin: Origin) -> str:
    """Name of a rule in Envoy's RBAC filters; Envoy tells it of what the rule denied."""
    return f"{origin.kind}/{origin.namespace}/{origin.name}/{origin.path}"


def source_log(pod: PodUid) -> str:
    """Access log of what a pod sends."""
    return f"source|{pod}"


def outside_log(pod: PodUid) -> str:
    """Access log of what a pod sends to where it may not."""
    return f"outside|{pod}"


def destination_log(pod: PodUid) -> str:
    """Access log of what reaches a pod, or a gateway."""
    return f"destination|{pod}"


def is_gateway_log(log_name: str) -> bool:
    """Whether it is the access log of a gateway, which is the client of whatever it sends on."""
    return log_name.startswith(destination_log(PodUid(f"{_EDGE}/")))


def refused_log(pod: PodUid) -> str:
    """Access log of what a pod refuses (no mTLS where it is required)."""
    return f"refused|{pod}"
