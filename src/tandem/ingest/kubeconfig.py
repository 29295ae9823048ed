"""A kubeconfig file -> where the API server is and how to prove who we are. Reads files, opens no connection."""

from __future__ import annotations

import base64
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tandem.base.secret import Secret


class KubeconfigError(ValueError):
    """The kubeconfig cannot be used; the message names the file and the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The current context of a kubeconfig: the server, whom to trust (None: plain http), and our credentials."""

    server: str
    namespace: str = "default"
    token: Secret | None = None
    tls: ssl.SSLContext | None = field(default=None, compare=False)


def read_kubeconfig(path: Path) -> Access:
    """The current context of the file at `path`; raises KubeconfigError, or FileNotFoundError if there is no file."""
    try:
        raw = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as err:
        raise KubeconfigError(f"{path}: not YAML: {err}") from err
    if not isinstance(raw, dict):
        raise KubeconfigError(f"{path}: expected a mapping with `clusters`, `users` and `contexts`")
    context = _named(path, raw, "contexts", str(raw.get("current-context") or ""))
    cluster = _named(path, raw, "clusters", str(context.get("cluster") or ""))
    user = _named(path, raw, "users", str(context["user"])) if context.get("user") else {}
    server = str(cluster.get("server") or "").rstrip("/")
    if not server:
        raise KubeconfigError(f"{path}: clusters[].cluster.server is empty")
    return Access(
        server=server,
        namespace=str(context.get("namespace") or "default"),
        token=_token(path, user),
        tls=_tls(path, cluster, user) if server.startswith("https://") else None,
    )


def _named(path: Path, raw: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    for entry in raw.get(section) or ():
        if isinstance(entry, dict) and entry.get("name") == name:
            return dict(entry.get(section[:-1]) or {})
    raise KubeconfigError(f"{path}: {section}: no entry named {name!r}")


def _token(path: Path, user: dict[str, Any]) -> Secret | None:
    if user.get("exec") or user.get("auth-provider"):
        raise KubeconfigError(
            f"{path}: users[].user.exec and auth-provider are not supported: use a token or a client certificate"
        )
    if user.get("token"):
        return Secret(str(user["token"]).encode())
    if user.get("tokenFile"):
        return Secret((path.parent / str(user["tokenFile"])).read_bytes().strip())
    return None


def _tls(path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    if cluster.get("insecure-skip-tls-verify"):
        raise KubeconfigError(
            f"{path}: clusters[].cluster.insecure-skip-tls-verify is not supported: give certificate-authority-data"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusted = _bytes(path, cluster, "certificate-authority")
    if trusted is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(cadata=trusted.decode())
        except (ssl.SSLError, UnicodeDecodeError) as err:
            raise KubeconfigError(f"{path}: certificate-authority-data is not a PEM certificate") from err
    certificate, key = _bytes(path, user, "client-certificate"), _bytes(path, user, "client-key")
    if certificate is not None and key is not None:
        # The ssl module reads key pairs from files only; this one is ours alone (mode 0600) and gone at once.
        with tempfile.NamedTemporaryFile(prefix="tandem-") as pair:
            pair.write(certificate + b"\n" + key)
            pair.flush()
            context.load_cert_chain(pair.name)
    return context


def _bytes(path: Path, section: dict[str, Any], name: str) -> bytes | None:
    """`name` as a file (relative to the kubeconfig), or `name-data` in base64; the latter wins, as with kubectl."""
    if section.get(f"{name}-data"):
        try:
            return base64.b64decode(str(section[f"{name}-data"]), validate=True)
        except ValueError as err:
            raise KubeconfigError(f"{path}: {name}-data is not base64") from err
    if section.get(name):
        return (path.parent / str(section[name])).read_bytes()
    return None
