"""consul.hashicorp.com of Consul on Kubernetes: ServiceRouter, ServiceSplitter and ServiceResolver, every field."""

from __future__ import annotations

import msgspec

from tandem.model.meta import Model, Object, Status


class HeaderModifiers(Model, frozen=True, kw_only=True):
    """Changes of headers: set overwrites, add appends, remove deletes."""

    add: dict[str, str] = {}
    set: dict[str, str] = {}
    remove: tuple[str, ...] = ()


class RouteHeader(Model, frozen=True, kw_only=True):
    """match.http.header[]: one of `present` to `regex`."""

    name: str
    present: bool = False
    exact: str = ""
    prefix: str = ""
    suffix: str = ""
    regex: str = ""
    invert: bool = False


class RouteParameter(Model, frozen=True, kw_only=True):
    """match.http.queryParam[]: one of `present`, `exact` and `regex`."""

    name: str
    present: bool = False
    exact: str = ""
    regex: str = ""


class RouteHttp(Model, frozen=True, kw_only=True):
    """match.http: all that is given must hold."""

    path_exact: str = ""
    path_prefix: str = ""
    path_regex: str = ""
    case_insensitive: bool = False
    header: tuple[RouteHeader, ...] = ()
    query_param: tuple[RouteParameter, ...] = ()
    methods: tuple[str, ...] = ()


class RouterMatch(Model, frozen=True, kw_only=True):
    """routes[].match; without `http` it is every request."""

    http: RouteHttp | None = None


class RouteDestination(Model, frozen=True, kw_only=True):
    """routes[].destination; without a service it is that of the router."""

    service: str = ""
    service_subset: str = ""
    namespace: str = ""
    partition: str = ""
    prefix_rewrite: str = ""
    idle_timeout: str = ""
    request_timeout: str = ""
    num_retries: int = 0
    retry_on_connect_failure: bool = False
    retry_on: tuple[str, ...] = ()
    retry_on_status_codes: tuple[int, ...] = ()
    request_headers: HeaderModifiers = HeaderModifiers()
    response_headers: HeaderModifiers = HeaderModifiers()


class ServiceRoute(Model, frozen=True, kw_only=True):
    """spec.routes[]."""

    match: RouterMatch | None = None
    destination: RouteDestination | None = None


class ServiceRouterSpec(Model, frozen=True, kw_only=True):
    """spec."""

    routes: tuple[ServiceRoute, ...] = ()


class ServiceRouter(Object, frozen=True, kw_only=True):
    """consul.hashicorp.com ServiceRouter, of the Service of its name."""

    spec: ServiceRouterSpec = ServiceRouterSpec()
    status: Status = Status()


class ServiceSplit(Model, frozen=True, kw_only=True):
    """spec.splits[]; `weight` is in percent."""

    weight: float = 0.0
    service: str = ""
    service_subset: str = ""
    namespace: str = ""
    partition: str = ""
    request_headers: HeaderModifiers = HeaderModifiers()
    response_headers: HeaderModifiers = HeaderModifiers()


class ServiceSplitterSpec(Model, frozen=True, kw_only=True):
    """spec."""

    splits: tuple[ServiceSplit, ...] = ()


class ServiceSplitter(Object, frozen=True, kw_only=True):
    """consul.hashicorp.com ServiceSplitter, of the Service of its name."""

    spec: ServiceSplitterSpec = ServiceSplitterSpec()
    status: Status = Status()


class ResolverSubset(Model, frozen=True, kw_only=True):
    """spec.subsets{}; endpoints that are not ready are none here, so `onlyPassing` changes nothing."""

    filter: str = ""
    only_passing: bool = False


class Elsewhere(Model, frozen=True, kw_only=True):
    """A service, or a subset of it, in place of another; some fields name other clusters."""

    service: str = ""
    service_subset: str = ""
    namespace: str = ""
    partition: str = ""
    datacenter: str = ""
    peer: str = ""
    sameness_group: str = ""


class FailoverPolicy(Model, frozen=True, kw_only=True):
    """failover{}.policy."""

    mode: str = ""
    regions: tuple[str, ...] = ()


class ResolverFailover(Model, frozen=True, kw_only=True):
    """spec.failover{}, by subset, `*` for all others."""

    service: str = ""
    service_subset: str = ""
    namespace: str = ""
    sameness_group: str = ""
    datacenters: tuple[str, ...] = ()
    targets: tuple[Elsewhere, ...] = ()
    policy: FailoverPolicy = FailoverPolicy()


class CookieConfig(Model, frozen=True, kw_only=True):
    """hashPolicies[].cookieConfig."""

    session: bool = False
    ttl: str = ""
    path: str = ""


class HashPolicy(Model, frozen=True, kw_only=True):
    """loadBalancer.hashPolicies[]."""

    field: str = ""
    field_value: str = ""
    cookie_config: CookieConfig | None = None
    source_ip: bool = msgspec.field(name="sourceIP", default=False)
    terminal: bool = False


class LeastRequestConfig(Model, frozen=True, kw_only=True):
    """loadBalancer.leastRequestConfig; 0: two."""

    choice_count: int = 0


class RingHashConfig(Model, frozen=True, kw_only=True):
    """loadBalancer.ringHashConfig; 0: Envoy's."""

    minimum_ring_size: int = 0
    maximum_ring_size: int = 0


class ResolverBalancer(Model, frozen=True, kw_only=True):
    """spec.loadBalancer."""

    policy: str = ""
    least_request_config: LeastRequestConfig = LeastRequestConfig()
    ring_hash_config: RingHashConfig = RingHashConfig()
    hash_policies: tuple[HashPolicy, ...] = ()


class PrioritizeByLocality(Model, frozen=True, kw_only=True):
    """spec.prioritizeByLocality."""

    mode: str = ""


class ServiceResolverSpec(Model, frozen=True, kw_only=True):
    """spec."""

    default_subset: str = ""
    subsets: dict[str, ResolverSubset] = {}
    redirect: Elsewhere | None = None
    failover: dict[str, ResolverFailover] = {}
    connect_timeout: str = ""
    request_timeout: str = ""
    load_balancer: ResolverBalancer | None = None
    prioritize_by_locality: PrioritizeByLocality | None = None


class ServiceResolver(Object, frozen=True, kw_only=True):
    """consul.hashicorp.com ServiceResolver, of the Service of its name."""

    spec: ServiceResolverSpec = ServiceResolverSpec()
    status: Status = Status()
