"""How requests and connections to a Service are spread and limited: what a DestinationRule or a policy of ours says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

import msgspec

from tandem.base.problems import Origin
from tandem.ir.locality import LocalityBalancing


class ClientTls(Enum):
    """How clients reach a host: AUTO is mTLS with meshed endpoints and plain text with others.

    SIMPLE and MUTUAL are TLS with roots and certificates that a rule names; REFUSE is not at all.
    """

    AUTO = "AUTO"
    DISABLE = "DISABLE"
    ISTIO_MUTUAL = "ISTIO_MUTUAL"
    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"
    REFUSE = "REFUSE"


class LoadBalancer(Enum):
    """Envoy's algorithms that users name. The last two choose by `Traffic.hash`."""

    LEAST_REQUEST = "LEAST_REQUEST"
    ROUND_ROBIN = "ROUND_ROBIN"
    RANDOM = "RANDOM"
    RING_HASH = "RING_HASH"
    MAGLEV = "MAGLEV"


class ByHeader(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="header"):
    """The value of a request header chooses."""

    name: str
    terminal: bool = False


class ByQuery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="query"):
    """The value of a query parameter chooses."""

    name: str
    terminal: bool = False


class ByCookie(msgspec.Struct, frozen=True, kw_only=True, tag="cookie", omit_defaults=True):
    """The value of a cookie chooses; with `ttl_s` it is given out where it is missing (0: for the session)."""

    name: str
    path: str = ""
    ttl_s: int | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    """Of the cookie that is given out, as they are written; a value may be empty."""
    terminal: bool = False


class ByAddress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="address"):
    """The client's address chooses."""

    terminal: bool = False


HashKey = ByHeader | ByQuery | ByCookie | ByAddress
"""What chooses; all that are there do, up to a `terminal` one that is."""


class Warmup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A new endpoint gets its full share after `duration_ms`, before that more and more, from `least_percent` on."""

    duration_ms: int
    least_percent: float = 10.0
    aggression: float = 1.0
    """1: in a straight line."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Circuit breakers of one node's proxy, for all of its pods together; None: no limit."""

    connections: int | None = None
    pending: int | None = None
    """Requests that wait for a connection."""
    requests: int | None = None
    retries: int | None = None
    """Retries under way at one time."""
    budget_percent: float | None = None
    """The same as a part of the requests under way; takes the place of `retries`."""
    budget_least: int = 3
    """Retries that are always allowed, where there is a budget."""
    budget_interval_ms: int = 0
    """The budget is a part of the requests of so long a time; 0: of those under way."""


class Keepalive(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """TCP keep-alive; 0: the kernel's own. Times in whole seconds."""

    probes: int = 0
    time_s: int = 0
    interval_s: int = 0


class Pool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Connections to endpoints; 0: no limit."""

    keepalive: Keepalive | None = None
    connection_ms: int = 0
    """How long a connection is used."""
    idle_ms: int | None = None
    """How long an idle one is kept; None: Envoy's hour, 0: for ever."""
    requests_per_connection: int = 0
    http2: bool | None = None
    """True: HTTP/2 whatever the client speaks; None: as the port says."""
    as_client: bool = False
    """Whatever the client speaks, also where the port says HTTP/1.1."""
    streams: int = 0
    """Concurrent ones of a connection, of HTTP/2."""
    ping_ms: int = 0
    """Between HTTP/2 pings; 0: none."""
    ping_timeout_ms: int = 0


class Outlier(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which endpoints get no requests for a time. A count of 0: that kind of error ejects nobody."""

    errors: int = 5
    """Consecutive answers 5xx, or failed connections."""
    gateway_errors: int = 0
    """Consecutive 502, 503 and 504."""
    local_errors: int | None = None
    """Consecutive failures to connect, counted apart; None: they are among `errors`."""
    interval_ms: int = 10_000
    ejection_ms: int = 30_000
    """Of the first ejection; later ones last longer."""
    longest_ms: int = 0
    """Of any ejection; 0: Envoy's five minutes."""
    most_percent: int = 10
    least_healthy_percent: int = 0
    """Below it all endpoints are used, ejected or not."""


class Origination(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of TLS towards a host. Files are those of the node; no roots at all: those of its system."""

    server_name: str = ""
    """What is asked for (SNI), and must be in the certificate where `alt_names` say nothing else."""
    alt_names: tuple[str, ...] = ()
    roots_pem: str = ""
    roots_file: str = ""
    crl_file: str = ""
    crl_pem: str = ""
    certificate_file: str = ""
    key_file: str = ""
    certificate: str = ""
    """Name of a pair of certificate and key that the agent has of control, in place of files."""
    unverified: bool = False
    """Any certificate will do."""


class Traffic(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything about connections to one port of a Service or subset."""

    lb: LoadBalancer = LoadBalancer.LEAST_REQUEST
    hash: tuple[HashKey, ...] = ()
    table_size: int = 0
    """Least size of the ring, or the size of Maglev's table; 0: Envoy's."""
    table_most: int = 0
    """Largest size of the ring; 0: Envoy's."""
    choices: int = 0
    """Of so many endpoints the one with the fewest requests; 0: Envoy's two."""
    warmup: Warmup | None = None
    tls: ClientTls = ClientTls.AUTO
    origination: Origination = Origination()
    connect_timeout_ms: int = 10_000
    limits: Limits = Limits()
    pool: Pool = Pool()
    outlier: Outlier | None = None
    locality: LocalityBalancing | None = None
    """None: what holds for the whole mesh."""
    proxy_protocol: int = 0
    """Version of the PROXY protocol in which endpoints are told first who connects; 0: they are not."""

    @property
    def by_locality(self) -> LocalityBalancing | None:
        """What counts of it; None: endpoints are alike wherever they are.

        Without outlier detection a proxy would never turn away from the nearest ones that fail: then only portions
        count, and what is to count `always`.
        """
        asked = self.locality if self.locality is not None else LocalityBalancing()
        counts = asked.enabled and (asked.always or bool(asked.distribute) or self.outlier is not None)
        return asked if counts else None


class PortTraffic(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for one port of the Service, in place of what holds for the others."""

    port: int
    traffic: Traffic


class Subset(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A named part of a Service's endpoints: those that carry all `labels`."""

    name: str
    labels: tuple[tuple[str, str], ...]
    traffic: Traffic | None = None
    """None: that of the Service."""
    ports: tuple[PortTraffic, ...] = ()
    origin: Origin | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True, order=True, omit_defaults=True):
    """A port of a Service, or of a subset of it. `port` 0: the port dialled."""

    namespace: str
    service: str
    port: int = 0
    subset: str = ""
    alone: bool = False
    """Others would stand in for it, too: it is meant without them."""


class Failover(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where requests and connections go while the Service, or a subset, has no endpoint that is healthy: in order."""

    subset: str = ""
    places: tuple[Place, ...]


class CallersPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What holds of a Service for some of its callers: pods and gateways of a namespace that carry all `labels`."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    policy: TrafficPolicy
    """In place of what holds for others; of no callers in turn."""

    def covers(self, namespace: str, labels: Iterable[tuple[str, str]]) -> bool:
        """Whether such a caller is one of them."""
        return namespace == self.namespace and set(self.labels) <= set(labels)


class TrafficPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a DestinationRule says of one Service, and what is attached to it over that."""

    namespace: str
    service: str
    traffic: Traffic = Traffic()
    ports: tuple[PortTraffic, ...] = ()
    subsets: tuple[Subset, ...] = ()
    origin: Origin | None = None
    attached: tuple[Origin, ...] = ()
    failovers: tuple[Failover, ...] = ()
    """Of calls from pods and gateways."""
    callers: tuple[CallersPolicy, ...] = ()
    """For whom other things hold: of those that cover a caller the first."""

    def each(self, change: Callable[[TrafficPolicy], TrafficPolicy]) -> TrafficPolicy:
        """The policy changed, for everybody and for those callers."""
        if not self.callers:
            return change(self)
        own = (msgspec.structs.replace(one, policy=change(one.policy)) for one in self.callers)
        return msgspec.structs.replace(change(self), callers=tuple(own))

    @property
    def subset_names(self) -> tuple[str, ...]:
        """Of the subsets that somebody may call, in order."""
        every = (self, *(one.policy for one in self.callers))
        return tuple(sorted({subset.name for policy in every for subset in policy.subsets}))

    @property
    def certificates(self) -> frozenset[str]:
        """Names of the pairs of certificate and key that clients show, but for those of `callers`."""
        parts = [self.traffic, *(p.traffic for p in self.ports)]
        for subset in self.subsets:
            parts += [subset.traffic] if subset.traffic is not None else []
            parts += [p.traffic for p in subset.ports]
        return frozenset({part.origination.certificate for part in parts} - {""})

    def settled(self, locality: LocalityBalancing) -> TrafficPolicy:
        """The same with this, the mesh's own, where nothing is said of localities."""
        return self._each(lambda t: t if t.locality is not None else msgspec.structs.replace(t, locality=locality))

    def watched(self, outlier: Outlier) -> TrafficPolicy:
        """The same with this where nothing is said of failures."""
        return self._each(lambda t: t if t.outlier is not None else msgspec.structs.replace(t, outlier=outlier))

    def _each(self, change: Callable[[Traffic], Traffic]) -> TrafficPolicy:
        """The same with everything that is said of connections changed: of ports, subsets, and ports of subsets."""

        def at(ports: tuple[PortTraffic, ...]) -> tuple[PortTraffic, ...]:
            return tuple(PortTraffic(port=p.port, traffic=change(p.traffic)) for p in ports)

        def of(subset: Subset) -> Subset:
            own = change(subset.traffic) if subset.traffic is not None else None
            return msgspec.structs.replace(subset, traffic=own, ports=at(subset.ports))

        subsets = tuple(map(of, self.subsets))
        return msgspec.structs.replace(self, traffic=change(self.traffic), ports=at(self.ports), subsets=subsets)

    def failover(self, subset: Subset | None) -> tuple[Place, ...]:
        """Where what is meant for the Service, or a subset, goes in the end."""
        name = subset.name if subset is not None else ""
        return next((f.places for f in self.failovers if f.subset == name), ())

    def of(self, port: int, subset: Subset | None = None) -> Traffic:
        """What holds for a port of the Service or of a subset."""
        for asked in (subset, self) if subset is not None else (self,):
            own = next((p.traffic for p in asked.ports if p.port == port), None)
            found = own or asked.traffic
            if found is not None:
                return found
        return self.traffic
