"""Hosts that are known by a pattern and resolved when somebody asks for one (DYNAMIC_DNS): Envoy's forward proxy. Pure.

The name is that of the request's authority, or the one asked for in TLS. It is asked of the node's DNS server, where
hosts have the addresses that others say. Connections are made from the pod's namespace, to the port that was dialled.
"""

from __future__ import annotations

from typing import Any, Final

from tandem.compile.envoy.proto import Json, any_of, extension
from tandem.ir.traffic import ClientTls, Traffic
from tandem.state.dns import INSIDE

_PORT_KEY: Final = "envoy.upstream.dynamic_port"
_RESOLVER: Final = any_of(
    "extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
    {
        "resolvers": [{"socket_address": {"address": INSIDE, "port_value": 53}}],
        "dns_resolver_options": {"no_default_search_domain": True},
    },
)
_CACHE: Final[Json] = {
    "name": "hosts",
    "dns_lookup_family": "V4_PREFERRED",
    "typed_dns_resolver_config": {"name": "envoy.network.dns_resolver.cares", "typed_config": _RESOLVER},
}
"""One of the node: all that name it must say the same."""


def request_filter() -> Json:
    """Resolves the authority of requests whose route leads to such hosts, and lets all others pass."""
    kind = "extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig"
    return extension("dynamic", kind, {"dns_cache_config": _CACHE})


def session_filter(port: int) -> Json:
    """Resolves the name that is asked for in TLS."""
    fields = {"dns_cache_config": _CACHE, "port_value": port}
    return extension("dynamic", "extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig", fields)


def port_state(port: int) -> Json:
    """The port for requests whose authority says none: without it 80 or 443 would be taken, whatever was dialled."""
    state = {"object_key": _PORT_KEY, "format_string": {"text_format_source": {"inline_string": str(port)}}}
    typed = any_of("extensions.filters.network.set_filter_state.v3.Config", {"on_new_connection": [state]})
    return {"name": "port", "typed_config": typed}


def elsewhere(port: int) -> Json:
    """The match of requests whose authority says another port than the one that was dialled."""
    authority: dict[str, Any] = {"name": ":authority"}
    return {
        "prefix": "/",
        "headers": [
            {**authority, "string_match": {"safe_regex": {"regex": r".*:[0-9]+"}}},
            {**authority, "string_match": {"suffix": f":{port}"}, "invert_match": True},
        ],
    }


def balancing(traffic: Traffic) -> Json:
    """What makes a cluster one of such hosts. In TLS each name is verified, unless a rule says otherwise."""
    asked = traffic.origination
    each = traffic.tls in {ClientTls.SIMPLE, ClientTls.MUTUAL} and "*" in asked.server_name
    # Without these words Envoy refuses a cluster whose TLS is not about each name, or that has none.
    options = {} if each and not (asked.alt_names or asked.unverified) else {"allow_insecure_cluster_options": True}
    kind = "extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig"
    return {
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": extension(
            "envoy.clusters.dynamic_forward_proxy", kind, {"dns_cache_config": _CACHE, **options}
        ),
    }
