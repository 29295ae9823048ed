"""What clients were told and what must outlive the server's process: the token, and the certificate they trust.

In: the run directory. Out: the credentials of an earlier life if they are whole and still good, else new ones. Clients
that run on while the server is restarted (runtimes, `kubectl --watch`) are then served as before.
"""

from __future__ import annotations

import datetime
import secrets
from pathlib import Path
from typing import Final

from cryptography import x509

from tandem.apiserver.tls import TlsFiles, serving_certificate, write_private
from tandem.base.clock import Clock
from tandem.base.secret import Secret

_MARGIN: Final = datetime.timedelta(days=30)
"""A certificate that ends sooner is replaced at the next start."""


def lasting_token(directory: Path) -> Secret:
    """The bearer token, kept in a file of mode 0600."""
    path = directory / "api.token"
    kept = path.read_bytes() if path.exists() else b""
    if not kept:
        kept = secrets.token_urlsafe(32).encode()
        write_private(path, kept)
    return Secret(kept)


def lasting_certificate(directory: Path, clock: Clock, *, hosts: tuple[str, ...]) -> TlsFiles:
    """The serving certificate for `hosts`; the authority's certificate is written last, and so vouches for the rest."""
    authority = directory / "api-ca.crt"
    kept = TlsFiles(directory / "api.crt", directory / "api.key", authority.read_bytes() if authority.exists() else b"")
    if kept.ca_pem and _good(kept, clock, hosts):
        return kept
    authority.unlink(missing_ok=True)
    made = serving_certificate(directory, clock, hosts=hosts)
    write_private(authority, made.ca_pem)
    return made


def _good(files: TlsFiles, clock: Clock, hosts: tuple[str, ...]) -> bool:
    if not (files.cert.exists() and files.key.exists()):
        return False
    cert = x509.load_pem_x509_certificate(files.cert.read_bytes())
    named = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names = {str(n.value) for n in named}
    now = datetime.datetime.fromtimestamp(clock.now(), datetime.UTC)
    return set(hosts) <= names and cert.not_valid_after_utc > now + _MARGIN
