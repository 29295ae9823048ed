"""The certificate authority's key pair: a Secret of the cluster, made at first start, so that control may restart.

In: an API client, the World. Out: an Authority. Keys are in the API's store (mode 0600 on one machine) and in memory
only. `tandem-ca` has the form of cert-manager's Secrets: `tls.crt` (the chain, the certificate that signs first),
`tls.key`, `ca.crt` (the roots). Where Istio's `istio-system/cacerts` is, it counts in its place, with Istio's names of
files or, as Istio takes them too, those of cert-manager. The key of our own root is in a Secret beside it, which may be
taken away and kept elsewhere: without it the intermediate is not renewed.
"""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import Collection, Mapping
from typing import Any, Final

from tandem.base.clock import Clock
from tandem.base.problems import ObjectKey, Problem
from tandem.base.secret import Secret
from tandem.drivers.ca import wire
from tandem.drivers.ca.authority import Authority, Root
from tandem.drivers.ca.port import SigningRefusedError
from tandem.ingest.errors import AlreadyExists, NotFound
from tandem.ingest.kube import KubeClient
from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.model.meta import RawObject
from tandem.model.parse import parse
from tandem.model.world import World

NAMESPACE: Final = "tandem-system"
NAME: Final = "tandem-ca"
ROOT: Final = "tandem-root"
ISTIO: Final = ("istio-system", "cacerts")
"""Namespace and name of the Secret by which an authority is plugged into Istio."""
_OURS: Final = ("tls.crt", "tls.key", "ca.crt")
_ISTIOS: Final = ("ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem")
_REVOKED: Final = "ca-crl.pem"
KIND: Final = BY_KIND["Secret"]


class AuthorityError(ValueError):
    """A Secret is not one of an authority; `at` names it."""

    def __init__(self, at: ObjectKey, text: str) -> None:
        super().__init__(text)
        self.at = at


async def ensure(client: KubeClient, *, trust_domain: str, clock: Clock) -> None:
    """The cluster has an authority: made and stored if there is none."""
    try:
        await client.get(KIND, NAMESPACE, NAME)
    except NotFound:
        root = Root.create(trust_domain, clock.now())
        try:
            await client.create(KIND, secret_of(root.issue(clock.now())))
        except AlreadyExists:  # another replica was first: its authority is the cluster's
            return
        await keep_root(client, root)


async def keep_root(client: KubeClient, root: Root) -> None:
    """Store our own root, in place of one that may be there."""
    raw = secret_of_root(root)
    try:
        await client.create(KIND, raw)
    except AlreadyExists:
        await client.patch(KIND, NAMESPACE, ROOT, {"data": raw["data"]})


def has_roots(path: str) -> bool:
    """Whether a file has certificates of authorities."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:  # ssl.SSLError is one
        return False
    return True


async def read_world(client: KubeClient) -> World:
    """The Secrets that matter, before there is an informer."""
    found = []
    for namespace, name in ((NAMESPACE, NAME), (NAMESPACE, ROOT), ISTIO):
        try:
            found.append(parse(await client.get(KIND, namespace, name)))
        except NotFound:
            continue
    return World.of(found)


def authority_in(world: World) -> Authority:
    """What is to sign; raises AuthorityError."""
    plugged = world.get(core.Secret, *ISTIO)
    if plugged is not None and _OURS[0] not in plugged.data:
        certificate, key, root, chain = _read(plugged, _ISTIOS, optional=_ISTIOS[3:])
        return _load(plugged, _joined(certificate, chain), key, root)
    own = plugged or world.get(core.Secret, NAMESPACE, NAME)
    if own is None:
        raise AuthorityError(("Secret", NAMESPACE, NAME), "it is not there, and nothing can be signed without it")
    certificate, key, root = _read(own, _OURS, optional=_OURS[2:])
    return _load(own, certificate, key, root)


def without_effect(world: World) -> tuple[Problem, ...]:
    """What is plugged into Istio and counts for nothing here."""
    plugged = world.get(core.Secret, *ISTIO)
    if plugged is None or not plugged.data.get(_REVOKED):
        return ()
    text = f"data.{_REVOKED}: nothing is asked of it here, and certificates that it revokes go on to count"
    return (Problem(at=plugged.origin(f"data[{_REVOKED}]"), code="UnsupportedField", text=text),)


def root_in(world: World) -> Root | None:
    """Our own root, if its key is here."""
    secret = world.get(core.Secret, NAMESPACE, ROOT)
    if secret is None:
        return None
    certificate, key = _read(secret, _OURS[:2])
    try:
        return Root.load(certificate.decode(), Secret(key))
    except ValueError as err:
        raise AuthorityError(_key_of(secret), str(err)) from err


def secret_of(authority: Authority) -> RawObject:
    """The Secret of the cluster's authority."""
    chain, key, roots = authority.to_pem()
    return _raw(NAME, {"tls.crt": chain.encode(), "tls.key": key.reveal(), "ca.crt": roots.encode()})


def secret_of_root(root: Root) -> RawObject:
    """The Secret of our own root."""
    certificate, key = root.to_pem()
    return _raw(ROOT, {"tls.crt": certificate.encode(), "tls.key": key.reveal()})


def sign_for(authority: Authority, node: str, request: bytes, *, allowed: Collection[str], now: float) -> bytes:
    """Answer the signing call of `node`; raises PermissionError if it may not hold that identity."""
    if not node:
        raise PermissionError("the caller does not say which node it is")
    try:
        chain = authority.sign(wire.decode_request(request).csr, allowed, now)
    except SigningRefusedError as err:
        raise PermissionError(f"node {node}: {err}") from err
    return wire.encode(wire.SignResponse(chain=chain, signer=authority.signer))


def _load(secret: core.Secret, chain: bytes, key: bytes, roots: bytes) -> Authority:
    try:
        return Authority.load(chain.decode(errors="replace"), Secret(key), roots.decode(errors="replace"))
    except ValueError as err:
        raise AuthorityError(_key_of(secret), str(err)) from err


def _read(secret: core.Secret, names: Collection[str], optional: Collection[str] = ()) -> list[bytes]:
    missing = [name for name in names if not secret.data.get(name) and name not in optional]
    if missing:
        raise AuthorityError(_key_of(secret), f"data.{missing[0]} is missing")
    try:
        return [base64.b64decode(secret.data.get(name, ""), validate=True) for name in names]
    except binascii.Error as err:
        raise AuthorityError(_key_of(secret), "data is not base64") from err


def _joined(certificate: bytes, chain: bytes) -> bytes:
    """Istio's chain may begin with the certificate itself, or with the one above it."""
    return chain if chain.strip().startswith(certificate.strip()) else b"\n".join((certificate, chain))


def _key_of(secret: core.Secret) -> ObjectKey:
    return ("Secret", secret.metadata.namespace, secret.metadata.name)


def _raw(name: str, data: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "type": "kubernetes.io/tls",
        "data": {field: base64.b64encode(value).decode() for field, value in data.items()},
    }
