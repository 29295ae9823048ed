"""networking.istio.io, the fields that we act on (v1alpha3, v1beta1 and v1 are one form)."""

from __future__ import annotations

from typing import Any

import msgspec

from tandem.model.meta import Model, Object, Status
from tandem.model.security import WorkloadSelector


class StringMatch(Model, frozen=True, kw_only=True):
    """exact, prefix or regex: one of them; none of them with the key present means "present"."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None


class HttpMatch(Model, frozen=True, kw_only=True):
    """HTTPMatchRequest."""

    name: str = ""
    uri: StringMatch | None = None
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: dict[str, StringMatch] = {}
    without_headers: dict[str, StringMatch] = {}
    query_params: dict[str, StringMatch] = {}
    port: int = 0
    source_labels: dict[str, str] = {}
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()
    ignore_uri_case: bool = False
    stat_prefix: str = ""


class PortSelector(Model, frozen=True, kw_only=True):
    """Destination.port."""

    number: int = 0


class Destination(Model, frozen=True, kw_only=True):
    """Where to: host, subset, port."""

    host: str
    subset: str = ""
    port: PortSelector | None = None


class HeaderOperations(Model, frozen=True, kw_only=True):
    """Headers.HeaderOperations."""

    set: dict[str, str] = {}
    add: dict[str, str] = {}
    remove: tuple[str, ...] = ()


class Headers(Model, frozen=True, kw_only=True):
    """Headers of a route."""

    request: HeaderOperations = HeaderOperations()
    response: HeaderOperations = HeaderOperations()


class RouteDestination(Model, frozen=True, kw_only=True):
    """HTTPRouteDestination; one destination without a weight has all of it."""

    destination: Destination
    weight: int = 0
    headers: Headers | None = None


class Retries(Model, frozen=True, kw_only=True):
    """HTTPRetry."""

    attempts: int = 2
    per_try_timeout: str = ""
    retry_on: str = ""
    retry_remote_localities: bool | None = None
    retry_ignore_previous_hosts: bool | None = None
    backoff: str = ""


class HttpBody(Model, frozen=True, kw_only=True):
    """HTTPBody: a text, or bytes in base64."""

    string: str = ""
    bytes: str = ""


class DirectResponse(Model, frozen=True, kw_only=True):
    """HTTPDirectResponse."""

    status: int
    body: HttpBody = HttpBody()


class HttpRedirect(Model, frozen=True, kw_only=True):
    """HTTPRedirect."""

    uri: str = ""
    authority: str = ""
    port: int = 0
    derive_port: str = ""
    scheme: str = ""
    redirect_code: int = 301
    prefix_rewrite: str | None = None


class RegexRewrite(Model, frozen=True, kw_only=True):
    """RegexRewrite: RE2 pattern and substitution."""

    match: str = ""
    rewrite: str = ""


class HttpRewrite(Model, frozen=True, kw_only=True):
    """HTTPRewrite."""

    uri: str = ""
    authority: str = ""
    uri_regex_rewrite: RegexRewrite | None = None


class Percent(Model, frozen=True, kw_only=True):
    """Percent, 0 to 100."""

    value: float = 0.0

    @property
    def per_million(self) -> int:
        """The same as a share of a million."""
        return round(self.value * 10_000)


class FaultDelay(Model, frozen=True, kw_only=True):
    """HTTPFaultInjection.Delay; without a percentage no request is delayed."""

    fixed_delay: str = ""
    exponential_delay: str = ""
    percent: int = 0
    percentage: Percent | None = None


class FaultAbort(Model, frozen=True, kw_only=True):
    """HTTPFaultInjection.Abort; without a percentage no request is aborted."""

    http_status: int = 0
    grpc_status: str = ""
    http2_error: str = ""
    percentage: Percent | None = None


class FaultInjection(Model, frozen=True, kw_only=True):
    """HTTPFaultInjection."""

    delay: FaultDelay | None = None
    abort: FaultAbort | None = None


class MirrorPolicy(Model, frozen=True, kw_only=True):
    """HTTPMirrorPolicy; without a percentage every request is mirrored."""

    destination: Destination
    percentage: Percent | None = None


class CorsPolicy(Model, frozen=True, kw_only=True):
    """CorsPolicy; `allow_origin` is the older list of exact values."""

    allow_origins: tuple[StringMatch, ...] = ()
    allow_origin: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: str = ""
    allow_credentials: bool = False
    unmatched_preflights: str = "UNSPECIFIED"


class HttpRoute(Model, frozen=True, kw_only=True):
    """HTTPRoute of a VirtualService. What we do not enforce yet is kept raw so that it can be refused by name."""

    name: str = ""
    match: tuple[HttpMatch, ...] = ()
    route: tuple[RouteDestination, ...] = ()
    timeout: str = ""
    retries: Retries | None = None
    headers: Headers = Headers()
    direct_response: DirectResponse | None = None
    redirect: HttpRedirect | None = None
    rewrite: HttpRewrite | None = None
    delegate: dict[str, Any] | None = None
    fault: FaultInjection | None = None
    mirror: Destination | None = None
    mirrors: tuple[MirrorPolicy, ...] = ()
    mirror_percent: int | None = None
    mirror_percent_old: int | None = msgspec.field(default=None, name="mirror_percent")
    """The same by its older name."""
    mirror_percentage: Percent | None = None
    cors_policy: CorsPolicy | None = None


class L4Match(Model, frozen=True, kw_only=True):
    """TLSMatchAttributes (with `sni_hosts`) and L4MatchAttributes."""

    sni_hosts: tuple[str, ...] = ()
    destination_subnets: tuple[str, ...] = ()
    port: int = 0
    source_subnet: str = ""
    source_labels: dict[str, str] = {}
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()


class L4Destination(Model, frozen=True, kw_only=True):
    """RouteDestination; one without a weight has all of it."""

    destination: Destination
    weight: int = 0


class L4Route(Model, frozen=True, kw_only=True):
    """TLSRoute and TCPRoute of a VirtualService."""

    match: tuple[L4Match, ...] = ()
    route: tuple[L4Destination, ...] = ()


class VirtualServiceSpec(Model, frozen=True, kw_only=True):
    """spec."""

    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    http: tuple[HttpRoute, ...] = ()
    tls: tuple[L4Route, ...] = ()
    tcp: tuple[L4Route, ...] = ()
    export_to: tuple[str, ...] = ()


class VirtualService(Object, frozen=True, kw_only=True):
    """networking.istio.io VirtualService."""

    spec: VirtualServiceSpec = VirtualServiceSpec()
    status: Status = Status()


class ClientTlsSettings(Model, frozen=True, kw_only=True):
    """trafficPolicy.tls; files are those of the node."""

    mode: str = ""
    client_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    ca_crl: str = ""
    credential_name: str = ""
    subject_alt_names: tuple[str, ...] = ()
    sni: str = ""
    insecure_skip_verify: bool = False


class CookieAttribute(Model, frozen=True, kw_only=True):
    """ConsistentHashLB.HTTPCookie.Attribute."""

    name: str
    value: str = ""


class HttpCookie(Model, frozen=True, kw_only=True):
    """ConsistentHashLB.HTTPCookie."""

    name: str
    path: str = ""
    ttl: str | None = None
    attributes: tuple[CookieAttribute, ...] = ()


class RingHash(Model, frozen=True, kw_only=True):
    """ConsistentHashLB.RingHash."""

    minimum_ring_size: int = 1024


class Maglev(Model, frozen=True, kw_only=True):
    """ConsistentHashLB.MagLev."""

    table_size: int = 65537


class ConsistentHash(Model, frozen=True, kw_only=True):
    """ConsistentHashLB: one key, and how the table is made."""

    http_header_name: str = ""
    http_cookie: HttpCookie | None = None
    use_source_ip: bool = False
    http_query_parameter_name: str = ""
    ring_hash: RingHash | None = None
    maglev: Maglev | None = None
    minimum_ring_size: int = 0


class WarmupSettings(Model, frozen=True, kw_only=True):
    """WarmupConfiguration."""

    duration: str
    minimum_percent: float = 10.0
    aggression: float = 1.0


class LocalityDistribute(Model, frozen=True, kw_only=True):
    """LocalityLoadBalancerSetting.Distribute: patterns of localities, and the percentage of each."""

    from_: str = msgspec.field(name="from", default="")
    to: dict[str, int] = {}


class LocalityFailover(Model, frozen=True, kw_only=True):
    """LocalityLoadBalancerSetting.Failover: regions."""

    from_: str = msgspec.field(name="from", default="")
    to: str = ""


class LocalitySettings(Model, frozen=True, kw_only=True):
    """LocalityLoadBalancerSetting."""

    enabled: bool | None = None
    distribute: tuple[LocalityDistribute, ...] = ()
    failover: tuple[LocalityFailover, ...] = ()
    failover_priority: tuple[str, ...] = ()


class LbSettings(Model, frozen=True, kw_only=True):
    """trafficPolicy.loadBalancer."""

    simple: str = ""
    consistent_hash: ConsistentHash | None = None
    locality_lb_setting: LocalitySettings | None = None
    zone_aware_lb_setting: dict[str, Any] | None = None
    warmup: WarmupSettings | None = None
    warmup_duration_secs: str = ""


class TcpKeepalive(Model, frozen=True, kw_only=True):
    """TCPSettings.TcpKeepalive."""

    probes: int = 0
    time: str = ""
    interval: str = ""


class TcpSettings(Model, frozen=True, kw_only=True):
    """ConnectionPoolSettings.TCPSettings."""

    max_connections: int | None = None
    connect_timeout: str = ""
    tcp_keepalive: TcpKeepalive | None = None
    max_connection_duration: str = ""
    idle_timeout: str = ""


class Http2Keepalive(Model, frozen=True, kw_only=True):
    """HTTPSettings.Http2KeepAlive."""

    interval: str = ""
    timeout: str = ""


class HttpSettings(Model, frozen=True, kw_only=True):
    """ConnectionPoolSettings.HTTPSettings."""

    http1_max_pending_requests: int | None = msgspec.field(name="http1MaxPendingRequests", default=None)
    http2_max_requests: int | None = msgspec.field(name="http2MaxRequests", default=None)
    max_requests_per_connection: int = 0
    max_retries: int | None = None
    idle_timeout: str = ""
    h2_upgrade_policy: str = msgspec.field(name="h2UpgradePolicy", default="DEFAULT")
    use_client_protocol: bool = False
    max_concurrent_streams: int = 0
    http2_keep_alive: Http2Keepalive | None = msgspec.field(name="http2KeepAlive", default=None)


class ConnectionPool(Model, frozen=True, kw_only=True):
    """ConnectionPoolSettings."""

    tcp: TcpSettings = TcpSettings()
    http: HttpSettings = HttpSettings()


class OutlierDetection(Model, frozen=True, kw_only=True):
    """OutlierDetection."""

    consecutive_errors: int = 0
    split_external_local_origin_errors: bool = False
    consecutive_local_origin_failures: int | None = None
    consecutive_gateway_errors: int | None = None
    consecutive_5xx_errors: int | None = msgspec.field(name="consecutive5xxErrors", default=None)
    outlier_detection_http_error_codes: tuple[int, ...] = ()
    interval: str = ""
    base_ejection_time: str = ""
    max_ejection_percent: int = 10
    min_health_percent: int = 0


class RetryBudget(Model, frozen=True, kw_only=True):
    """TrafficPolicy.RetryBudget."""

    percent: float = 20.0
    min_retry_concurrency: int = 3
    budget_interval: str = ""


class PortPolicySpec(Model, frozen=True, kw_only=True):
    """portLevelSettings[]: nothing of it is inherited."""

    port: PortSelector = PortSelector()
    load_balancer: LbSettings | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTlsSettings | None = None


class ProxyProtocol(Model, frozen=True, kw_only=True):
    """TrafficPolicy.ProxyProtocol."""

    version: str = "V1"


class TrafficPolicySpec(Model, frozen=True, kw_only=True):
    """trafficPolicy of a host or a subset."""

    load_balancer: LbSettings | None = None
    tls: ClientTlsSettings | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    port_level_settings: tuple[PortPolicySpec, ...] = ()
    tunnel: dict[str, Any] | None = None
    proxy_protocol: ProxyProtocol | None = None
    retry_budget: RetryBudget | None = None


class SubsetSpec(Model, frozen=True, kw_only=True):
    """spec.subsets[]."""

    name: str
    labels: dict[str, str] = {}
    traffic_policy: TrafficPolicySpec | None = None


class DestinationRuleSpec(Model, frozen=True, kw_only=True):
    """spec."""

    host: str = ""
    traffic_policy: TrafficPolicySpec | None = None
    subsets: tuple[SubsetSpec, ...] = ()
    export_to: tuple[str, ...] = ()
    workload_selector: WorkloadSelector | None = None


class DestinationRule(Object, frozen=True, kw_only=True):
    """networking.istio.io DestinationRule."""

    spec: DestinationRuleSpec = DestinationRuleSpec()
    status: Status = Status()
