"""The certificate authority's key pair: a Secret of the cluster, made at first start, so that control may restart.

In: an API client. Out: an Authority. The key is in the API's store (mode 0600 on one machine) and in memory only.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Collection
from typing import Final

from tandem.base.clock import Clock
from tandem.base.secret import Secret
from tandem.drivers.ca import wire
from tandem.drivers.ca.authority import Authority
from tandem.drivers.ca.port import SigningRefusedError
from tandem.ingest.errors import AlreadyExists, NotFound
from tandem.ingest.kube import KubeClient
from tandem.model.kinds import BY_KIND
from tandem.model.meta import RawObject

NAMESPACE: Final = "tandem-system"
NAME: Final = "tandem-ca"


async def authority_of(client: KubeClient, *, trust_domain: str, clock: Clock) -> Authority:
    """The cluster's authority; made and stored if there is none."""
    try:
        return _load(await client.get(BY_KIND["Secret"], NAMESPACE, NAME))
    except NotFound:
        made = Authority.create(trust_domain, clock.now())
    certificate, key = made.to_pem()
    raw = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "type": "kubernetes.io/tls",
        "data": {
            "tls.crt": base64.b64encode(certificate.encode()).decode(),
            "tls.key": base64.b64encode(key.reveal()).decode(),
        },
    }
    try:
        await client.create(BY_KIND["Secret"], raw)
    except AlreadyExists:  # another replica was first: its authority is the cluster's
        return _load(await client.get(BY_KIND["Secret"], NAMESPACE, NAME))
    return made


def has_roots(path: str) -> bool:
    """Whether a file has certificates of authorities."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:  # ssl.SSLError is one
        return False
    return True


def _load(raw: RawObject) -> Authority:
    data = {name: base64.b64decode(value) for name, value in raw["data"].items()}
    return Authority.load(data["tls.crt"].decode(), Secret(data["tls.key"]))


def sign_for(authority: Authority, node: str, request: bytes, *, allowed: Collection[str], now: float) -> bytes:
    """Answer the signing call of `node`; raises PermissionError if it may not hold that identity."""
    if not node:
        raise PermissionError("the caller does not say which node it is")
    try:
        chain = authority.sign(wire.decode_request(request).csr, allowed, now)
    except SigningRefusedError as err:
        raise PermissionError(f"node {node}: {err}") from err
    return wire.encode(wire.SignResponse(chain=chain, roots=authority.roots))
