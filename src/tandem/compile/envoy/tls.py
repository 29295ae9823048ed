"""Identities -> TLS transport sockets. Certificates and roots come by SDS; sessions are never resumed.

The client's certificate is chosen per connection, by the filter state that the pod's outbound listener sets: one
cluster serves all pods of the node and none of them can use another's identity.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from tandem.base.ids import SpiffeId
from tandem.base.paths import SYSTEM_ROOTS
from tandem.compile.envoy.proto import ADS, Json, extension, typed_struct
from tandem.compile.names import gateway_certificate
from tandem.ir.tlsterms import ClientProof, TlsTerms, TlsVersion
from tandem.ir.traffic import Origination
from tandem.ir.trust import Domains, domains_in
from tandem.state.xds import PEERS, ROOTS, domain_roots

ALPN_HTTP: Final = "tandem-http"
"""Offered by a client side that has parsed requests: the server side parses them as well."""

ALPN_TCP: Final = "tandem-tcp"
"""Offered by a client side that carries bytes only."""

ALPN_HTTP1: Final = "tandem-http1"
"""Offered before that by a client side whose Service says HTTP/1.1: the application is told no HTTP/2 but gRPC."""

ALPN_EDGE: Final = ("h2", "http/1.1")
"""What clients of a gateway may speak where requests are read."""

ALPN_QUIC: Final = ("h3",)
"""The same by QUIC."""

ALPN_PEERS: Final = ("http/1.1", "h2")
"""The same at pods, of clients without a proxy of ours: what is chosen the application has to speak, so that HTTP/2 is
for those alone who speak nothing else."""

IDENTITY_KEY: Final = "envoy.tls.certificate_mappers.on_demand_secret"
"""Filter state that names the SDS secret of the client."""

MATCH_KEY: Final = "tandem"
MATCH_MTLS: Final = "mtls"
"""Endpoint metadata (`envoy.transport_socket_match`) of an endpoint that accepts mTLS."""

_TLS: Final = "extensions.transport_sockets.tls"
_VERSION: Final = {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"}


def _validation(*matches: Json, roots: str = ROOTS) -> Json:
    return {
        "default_validation_context": {
            "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": m} for m in matches],
        },
        "validation_context_sds_secret_config": {"name": roots, "sds_config": ADS},
    }


def _selector(mapper: str, fields: Json) -> Json:
    """The certificate is asked for by name when the first handshake needs it.

    Server and client side must both do it this way: a name that a listener has subscribed to in advance is never
    delivered to an on-demand selector (Envoy 1.40), and handshakes would wait for ever.
    """
    chosen = {"name": "mapper", "typed_config": typed_struct(f"{_TLS}.cert_mappers.{mapper}", fields)}
    config = typed_struct(
        f"{_TLS}.cert_selectors.on_demand_secret.v3.Config", {"config_source": ADS, "certificate_mapper": chosen}
    )
    return {"name": "on-demand", "typed_config": config}


def downstream(identity: SpiffeId, trust: Domains, alpn: tuple[str, ...] = ()) -> Json:
    """The server side of a pod: its own certificate, and one of a trust domain that counts is required of clients.

    Where there are sources of trust, the secret says which domains do (and `before_peers` has to follow).
    A pod selects no ALPN: the filter chain was already picked by what the client offered.
    """
    validation = {"combined_validation_context": _validation({"prefix": f"spiffe://{trust.own}/"})}
    if trust.sourced:
        validation = {"validation_context_sds_secret_config": {"name": PEERS, "sds_config": ADS}}
    fields = {
        "require_client_certificate": True,
        "disable_stateless_session_resumption": True,
        "disable_stateful_session_resumption": True,
        "common_tls_context": {
            "tls_params": _VERSION,
            **({"alpn_protocols": list(alpn)} if alpn else {}),
            "custom_tls_certificate_selector": _selector("static_name.v3.StaticName", {"name": identity}),
            **validation,
        },
    }
    return extension("tls", f"{_TLS}.v3.DownstreamTlsContext", fields)


def foreign_domain(names: Iterable[str], trust: Domains) -> str:
    """The other trust domain that all of these names are of, if there are roots of it; else empty.

    Names of several are held against our own roots, which sign those of our own alone: whoever may sign for one
    domain must not be believed for another.
    """
    found = domains_in(names)
    return next(iter(found)) if len(found) == 1 and found <= set(trust.foreign) else ""


def upstream(
    identities: tuple[SpiffeId, ...],
    alpn: tuple[str, ...],
    trust: Domains,
    *,
    client: SpiffeId | None = None,
    asked: str = "",
) -> Json:
    """The client side towards a service whose endpoints have `identities`; `client` None: the connection says who.

    `asked` is the name that is asked for in the handshake; nothing depends on it but rules that look at it.

    An empty list of names would accept every certificate of our roots, so it becomes a name that nobody has.
    """
    mapper = ("filter_state_override.v3.Config", {"default_value": "no-identity"})
    if client is not None:
        mapper = ("static_name.v3.StaticName", {"name": client})
    names = identities or (f"spiffe://{trust.own}/nobody",)
    domain = foreign_domain(names, trust)
    roots = domain_roots(domain) if domain else ROOTS
    fields = {
        **({"sni": asked} if asked else {}),
        "max_session_keys": 0,
        "common_tls_context": {
            "tls_params": _VERSION,
            "alpn_protocols": list(alpn),
            "custom_tls_certificate_selector": _selector(*mapper),
            "combined_validation_context": _validation(*({"exact": name} for name in names), roots=roots),
        },
    }
    return extension("tls", f"{_TLS}.v3.UpstreamTlsContext", fields)


def originating(asked: Origination, alpn: tuple[str, ...]) -> Json:
    """TLS towards a host that is none of ours. Without roots of its own the node's system says whom to believe."""
    context: dict[str, Any] = {"tls_params": {"tls_minimum_protocol_version": "TLSv1_2"}}
    if alpn:
        context["alpn_protocols"] = list(alpn)
    if not asked.unverified:
        roots = (
            {"inline_string": asked.roots_pem} if asked.roots_pem else {"filename": asked.roots_file or SYSTEM_ROOTS}
        )
        names = asked.alt_names or tuple(n for n in (asked.server_name,) if "*" not in n)
        context["validation_context"] = {
            "trusted_ca": roots,
            **({"crl": {"filename": asked.crl_file}} if asked.crl_file else {}),
            **({"crl": {"inline_string": asked.crl_pem}} if asked.crl_pem else {}),
            **({"match_typed_subject_alt_names": [m for n in names for m in _either(n)]} if names else {}),
        }
    if asked.certificate_file:
        pair = {"certificate_chain": asked.certificate_file, "private_key": asked.key_file}
        context["tls_certificates"] = [{field: {"filename": path} for field, path in pair.items()}]
    if asked.certificate:
        context["tls_certificate_sds_secret_configs"] = [_shown(asked.certificate)]
    name = {} if "*" in asked.server_name else {"sni": asked.server_name}
    return extension("tls", f"{_TLS}.v3.UpstreamTlsContext", {**name, "common_tls_context": context})


def _either(name: str) -> list[Json]:
    """A name of DNS or a URI."""
    kind = "URI" if "://" in name else "DNS"
    return [{"san_type": kind, "matcher": {"exact": name}}]


def terminating(
    certificates: tuple[str, ...],
    alpn: tuple[str, ...] = ALPN_EDGE,
    terms: TlsTerms = TlsTerms(),  # noqa: B008 - frozen
) -> Json:
    """The server side of a gateway's listener: these certificates, on these terms."""
    return extension("tls", f"{_TLS}.v3.DownstreamTlsContext", _ending(certificates, alpn, terms))


def terminating_quic(certificates: tuple[str, ...], terms: TlsTerms) -> Json:
    """The same by QUIC, which has TLS 1.3 in it."""
    settled = msgspec.structs.replace(terms, least=TlsVersion.V1_3, most=None, ciphers=())
    fields = {"downstream_tls_context": _ending(certificates, ALPN_QUIC, settled), "enable_early_data": False}
    return extension("quic", "extensions.transport_sockets.quic.v3.QuicDownstreamTransport", fields)


def _ending(certificates: tuple[str, ...], alpn: tuple[str, ...], terms: TlsTerms) -> Json:
    params: dict[str, Any] = {"tls_minimum_protocol_version": terms.least.value}
    if terms.most is not None:
        params["tls_maximum_protocol_version"] = terms.most.value
    if terms.ciphers:
        params["cipher_suites"] = list(terms.ciphers)
    asked = _proof(terms.clients) if terms.clients is not None else {}
    return {
        **({"require_client_certificate": terms.clients.required} if terms.clients is not None else {}),
        "disable_stateless_session_resumption": True,
        "disable_stateful_session_resumption": True,
        "common_tls_context": {
            "tls_params": params,
            "alpn_protocols": list(alpn),
            "tls_certificate_sds_secret_configs": [_shown(name) for name in certificates],
            **({"validation_context": asked} if asked else {}),
        },
    }


def _shown(name: str) -> Json:
    """A pair of certificate and key, by the name that translation gave it."""
    return {"name": gateway_certificate(name), "sds_config": ADS}


def _proof(clients: ClientProof) -> Json:
    return {
        "trusted_ca": {"inline_string": clients.roots_pem},
        **({"trust_chain_verification": "ACCEPT_UNTRUSTED"} if clients.lenient else {}),
        **({"crl": {"inline_string": clients.crl_pem}} if clients.crl_pem else {}),
        **({"match_typed_subject_alt_names": [m for n in clients.names for m in _either(n)]} if clients.names else {}),
        **({"verify_certificate_spki": list(clients.spki)} if clients.spki else {}),
        **({"verify_certificate_hash": list(clients.hashes)} if clients.hashes else {}),
    }


def announcing(version: int, sockets: Json) -> Json:
    """The same, each behind a header of the PROXY protocol that says who connects; version 0: as they are."""
    if not version:
        return sockets
    if "transport_socket_matches" in sockets:
        matches = sockets["transport_socket_matches"]
        told = [{**match, "transport_socket": _announced(version, match["transport_socket"])} for match in matches]
        return {"transport_socket_matches": told}
    return {"transport_socket": _announced(version, sockets.get("transport_socket", RAW))}


def _announced(version: int, inner: Json) -> Json:
    fields = {"config": {"version": f"V{version}"}, "transport_socket": inner}
    kind = "extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"
    return extension("envoy.transport_sockets.upstream_proxy_protocol", kind, fields)


RAW: Final = extension("raw", "extensions.transport_sockets.raw_buffer.v3.RawBuffer")
