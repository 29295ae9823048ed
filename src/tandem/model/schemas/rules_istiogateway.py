"""Istio's Gateway beyond the form of single fields, as istiod's admission judges it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.model.schemas.rules_kubernetes import Rule, repeated
from tandem.model.schemas.syntax import LABEL

PLAIN: Final = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")
SECURE: Final = ("HTTPS", "TLS")
OTHER: Final = ("TCP", "MONGO", "MYSQL", "REDIS")
TERMINATING: Final = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")
CREDENTIALS: Final = ("credentialName", "credentialNames", "tlsCertificates")
OF_FILES: Final = ("serverCertificate", "privateKey")


def _gateway(raw: dict[str, Any], at: str) -> Iterator[str]:
    servers = raw["servers"]
    if not servers:
        yield f"{at}.servers: at least one server is required"
    yield from repeated((f"{at}.servers[{i}].port.name", s["port"]["name"]) for i, s in enumerate(servers))
    yield from repeated((f"{at}.servers[{i}].name", s.get("name") or None) for i, s in enumerate(servers))


def _server(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["hosts"]:
        yield f"{at}.hosts: at least one host is required"
    for i, host in enumerate(raw["hosts"]):
        if not _is_host(host):
            yield f"{at}.hosts[{i}]: {host!r} is neither a host name nor NAMESPACE/NAME"
    protocol, tls = raw["port"]["protocol"].upper(), raw.get("tls")
    if protocol not in (*PLAIN, *SECURE, *OTHER):
        known = ", ".join((*PLAIN, *SECURE, *OTHER))
        yield f"{at}.port.protocol: {raw['port']['protocol']!r} is none of {known}"
    elif protocol in SECURE and tls is None:
        yield f"{at}.tls: is required for {protocol}"
    elif protocol in OTHER and tls is not None:
        yield f"{at}.tls: belongs to HTTPS and TLS, not to {protocol}"
    elif protocol in PLAIN and set(tls or ()) - {"httpsRedirect"}:
        yield f"{at}.tls: for {protocol} it may say httpsRedirect alone"


def _is_host(text: str) -> bool:
    namespace, slash, name = text.rpartition("/")
    if slash and namespace not in {"*", "."} and LABEL.fullmatch(namespace) is None:
        return False
    return bool(name) and name == name.strip() and "*" not in name[1:] and (name[0] != "*" or name[1:2] in {"", "."})


def _tls(raw: dict[str, Any], at: str) -> Iterator[str]:
    mode = raw.get("mode") or "PASSTHROUGH"
    certificates = [
        name for name in (*CREDENTIALS, *OF_FILES, "caCertificates", "caCertCredentialName") if raw.get(name)
    ]
    if mode not in TERMINATING and certificates:
        yield f"{at}.{certificates[0]}: may not be given in the mode {mode}"
    named = [name for name in CREDENTIALS if raw.get(name)]
    if len(named) > 1:
        yield f"{at}.{named[1]}: may not be given together with {named[0]}"
    if mode in TERMINATING and not named:
        for name in OF_FILES:
            if not raw.get(name):
                yield f"{at}.{name}: is required in the mode {mode} without credentialName"
    if len(raw.get("credentialNames") or ()) > 2:
        yield f"{at}.credentialNames: at most two: one of RSA and one of ECDSA"


RULES: Final[dict[str, Rule]] = {"IgSpec": _gateway, "IgServer": _server, "IgTls": _tls}
