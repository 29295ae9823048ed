"""Pairs of certificate and key in Secrets: their names, what is wrong with them, and the pairs themselves. Pure.

A name tells the Secret and which content of it is meant, so that a renewed certificate is another one. Keys are in no
IR: an agent asks for the pairs that its node shows, by name, and gets those.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tandem.base.digest import digest
from tandem.base.secret import Secret
from tandem.model import core
from tandem.model.world import Key, World

Form = tuple[str, str]
"""Under which names a Secret has a certificate and its key."""
TLS: Final[Form] = ("tls.crt", "tls.key")
GENERIC: Final[Form] = ("cert", "key")
"""Istio's own form."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate with those above it, in PEM, and its key."""

    chain: str
    key: Secret


def pairs_for(world: World, names: Iterable[str]) -> dict[str, Pair]:
    """The pairs of these names, as far as they are there."""
    found: dict[str, Pair] = {}
    for name in sorted(names):
        namespace, secret, _ = name.split("/")
        pair = _pair(world, (namespace, secret), (TLS, GENERIC))
        if isinstance(pair, Pair) and _named((namespace, secret), pair) == name:
            found[name] = pair
    return found


def named_pair(world: World, key: Key, forms: tuple[Form, ...] = (TLS,)) -> tuple[str, str]:
    """The name of the pair in a Secret of one of these forms, and what is wrong with it; one of both is empty."""
    pair = _pair(world, key, forms)
    return (_named(key, pair), "") if isinstance(pair, Pair) else ("", pair)


def _named(key: Key, pair: Pair) -> str:
    return f"{key[0]}/{key[1]}/{digest(pair.chain, 12)}"


def _pair(world: World, key: Key, forms: tuple[Form, ...]) -> Pair | str:
    """The pair in a Secret, or what is wrong with it; no word of the key is ever in that."""
    where = f"Secret {key[0]}/{key[1]}"
    secret = world.get(core.Secret, *key)
    if secret is None:
        return f"no {where}"
    form = next((form for form in forms if form[0] in secret.data), forms[0])
    missing = [name for name in form if name not in secret.data]
    if missing:
        return f"{where} has no {' and no '.join(missing)}"
    found = _read(secret.data[form[0]], secret.data[form[1]], form)
    return found if isinstance(found, Pair) else f"{where}: {found}"


@lru_cache(maxsize=1024)
def _read(certificates: str, key: str, form: Form) -> Pair | str:
    """Kept, for a key of RSA is proved anew whenever it is loaded, and each translation asks for every listener's."""
    try:
        chain = base64.b64decode(certificates, validate=True)
        private = base64.b64decode(key, validate=True)
        leaf, *_ = x509.load_pem_x509_certificates(chain)
    except (binascii.Error, ValueError):
        return f"{form[0]} is no certificate in PEM, or {form[1]} no base64"
    try:
        fits = load_pem_private_key(private, password=None).public_key() == leaf.public_key()
    except (ValueError, TypeError):
        return f"{form[1]} is no private key in PEM without a password"
    if not fits:
        return f"the key in {form[1]} is not that of the certificate in {form[0]}"
    return Pair(chain=chain.decode("ascii", "replace"), key=Secret(private))
