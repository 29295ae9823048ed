"""References to bundles of authorities -> certificates in PEM, or what is wrong with them. Pure.

Whom a gateway believes, of its clients and of its backends. A bundle is the entry `ca.crt` of a ConfigMap; of its text
nodes are sent the certificates and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from tandem.model import core
from tandem.model.world import Key, World
from tandem.translate.texts import certificates_in

ENTRY: Final = "ca.crt"


class Roots(msgspec.Struct, frozen=True, kw_only=True):
    """What several references come to: `pem` of those that can be used; by position what is wrong with the others."""

    pem: str
    wrong: dict[int, tuple[str, str]] = {}
    """Code and text."""


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """One reference, with its namespace."""

    group: str
    kind: str
    key: Key
    permitted: bool = True
    """False: it is in another namespace, of which no grant allows it."""


def read_roots(world: World, bundles: Iterable[Bundle], *, invalid: str, unknown: str) -> Roots:
    """All of them together; `invalid` and `unknown` are the codes of what cannot be used, and of other kinds."""
    found: list[str] = []
    wrong: dict[int, tuple[str, str]] = {}
    for i, bundle in enumerate(bundles):
        kind = f"{bundle.group}/{bundle.kind}" if bundle.group else bundle.kind
        where = f"{bundle.kind} {'/'.join(bundle.key)}"
        if (bundle.group, bundle.kind) != ("", "ConfigMap"):
            wrong[i] = unknown, f"authorities of kind {kind} are not supported, only ConfigMap"
        elif not bundle.permitted:
            wrong[i] = "RefNotPermitted", f"{where} is in another namespace and no ReferenceGrant there allows it"
        else:
            certificates = _certificates(world, bundle.key)
            if isinstance(certificates, str):
                wrong[i] = invalid, certificates
            else:
                found += certificates
    return Roots(pem="".join(dict.fromkeys(found)), wrong=wrong)


def _certificates(world: World, key: Key) -> tuple[str, ...] | str:
    """Of one ConfigMap; text: what is wrong with it."""
    where = f"ConfigMap {'/'.join(key)}"
    source = world.get(core.ConfigMap, *key)
    if source is None:
        return f"no {where}"
    if ENTRY not in source.data:
        return f"{where} has no {ENTRY}"
    found = certificates_in(source.data[ENTRY])
    return found or f"{where}: {ENTRY} has no certificate in PEM, or one that cannot be read"
