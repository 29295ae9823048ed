"""Istio's Gateway beyond the form of single fields, as istiod's admission judges it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.base.addresses import is_address
from tandem.model.schemas.istioforms import each, full_host_fault, is_label, scoped_host_fault
from tandem.model.schemas.rules_kubernetes import Rule, repeated

PLAIN: Final = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")
SECURE: Final = ("HTTPS", "TLS")
OTHER: Final = ("TCP", "MONGO", "MYSQL", "REDIS")
TERMINATING: Final = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")
CREDENTIALS: Final = ("credentialName", "credentialNames", "tlsCertificates")
OF_FILES: Final = ("serverCertificate", "privateKey")
AUTHORITIES: Final = ("caCertificates", "caCertCredentialName")
MESH: Final = "ISTIO_MUTUAL"


def _whole(raw: dict[str, Any], _: str) -> Iterator[str]:
    name = (raw.get("metadata") or {}).get("name") or "x"
    if not is_label(name):
        yield f"metadata.name: {name!r} is not a DNS label, as names of Gateways are"


def _gateway(raw: dict[str, Any], at: str) -> Iterator[str]:
    servers = raw["servers"]
    if not servers:
        yield f"{at}.servers: at least one server is required"
    yield from repeated((f"{at}.servers[{i}].port.name", s["port"]["name"]) for i, s in enumerate(servers))
    yield from repeated((f"{at}.servers[{i}].name", s.get("name") or None) for i, s in enumerate(servers))


def _server(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["hosts"]:
        yield f"{at}.hosts: at least one host is required"
    yield from each(raw["hosts"], f"{at}.hosts", _host_fault)
    if "targetPort" in raw["port"]:
        yield f"{at}.port.targetPort: is for Services; a gateway listens at the number"
    if raw.get("bind") and not is_address(raw["bind"]):
        yield f"{at}.bind: {raw['bind']!r} is no IP address"
    protocol, tls = raw["port"]["protocol"].upper(), raw.get("tls")
    if protocol not in (*PLAIN, *SECURE, *OTHER):
        known = ", ".join((*PLAIN, *SECURE, *OTHER))
        yield f"{at}.port.protocol: {raw['port']['protocol']!r} is none of {known}"
    elif protocol in SECURE and tls is None:
        yield f"{at}.tls: is required for {protocol}"
    elif protocol in OTHER and tls is not None:
        yield f"{at}.tls: belongs to HTTPS and TLS, not to {protocol}"
    elif protocol in PLAIN and (_certificates(tls or {}) or (tls or {}).get("mode") in (*TERMINATING, MESH)):
        yield f"{at}.tls: for {protocol} it may say httpsRedirect alone"


def _host_fault(text: str) -> str | None:
    return scoped_host_fault(text, addresses=True) if "/" in text else full_host_fault(text, addresses=True)


def _certificates(tls: dict[str, Any]) -> list[str]:
    """The fields that say which certificates are shown or taken."""
    return [name for name in (*CREDENTIALS, *OF_FILES, *AUTHORITIES) if tls.get(name)]


def _tls(raw: dict[str, Any], at: str) -> Iterator[str]:
    mode, given = raw.get("mode") or "PASSTHROUGH", _certificates(raw)
    if mode == MESH and given:
        yield f"{at}.{given[0]}: may not be given in the mode {mode}"
    sources = [name for name in CREDENTIALS if raw.get(name)]
    if all(raw.get(name) for name in OF_FILES):
        sources.append(OF_FILES[0])
    if len(sources) > 1:
        yield f"{at}.{sources[1]}: may not be given together with {sources[0]}"
    for name in ("credentialNames", "tlsCertificates"):
        if len(raw.get(name) or ()) > 2:
            yield f"{at}.{name}: at most two: one of RSA and one of ECDSA"
    if mode in TERMINATING and not {"credentialName", "credentialNames"} & {*sources}:
        yield from _files(raw, at, mode)


def _files(raw: dict[str, Any], at: str, mode: str) -> Iterator[str]:
    """What of certificates must be there where no Secret is named."""
    if mode == "SIMPLE" and raw.get("caCrl"):
        yield f"{at}.caCrl: in the mode SIMPLE no client is asked for a certificate"
    if mode != "SIMPLE" and not raw.get("caCertificates"):
        yield f"{at}.caCertificates: is required in the mode {mode} without credentialName"
    pairs = [(f"{at}.tlsCertificates[{i}]", pair) for i, pair in enumerate(raw.get("tlsCertificates") or [])]
    for where, pair in pairs or [(at, raw)]:
        for name in OF_FILES:
            if not pair.get(name):
                yield f"{where}.{name}: is required in the mode {mode} without credentialName"


RULES: Final[dict[str, Rule]] = {"IstioGateway": _whole, "IgSpec": _gateway, "IgServer": _server, "IgTls": _tls}
