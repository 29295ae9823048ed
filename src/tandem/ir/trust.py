"""Whom nodes trust of other trust domains, and whom of ours beside its own authority."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from tandem.base.problems import Origin

_SCHEME: Final = "spiffe://"


class TrustSource(msgspec.Struct, frozen=True, kw_only=True):
    """Who signs for these trust domains: what a SPIFFE Workload API on each node tells, or `roots_pem` as it is."""

    domains: tuple[str, ...]
    socket: str = ""
    """Of the Workload API. What it tells of other domains counts for nothing."""
    roots_pem: str = ""
    origin: Origin


class Domains(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whose identities count: of `own`, and of `foreign` where a source has told who signs them."""

    own: str
    foreign: tuple[str, ...] = ()
    sourced: bool = False
    """There are sources: also such peers are met that are in no mesh of ours."""


def domains_of(own: str, sources: Collection[TrustSource]) -> Domains:
    """By what the sources name."""
    named = {domain for source in sources for domain in source.domains}
    return Domains(own=own, foreign=tuple(sorted(named - {own})), sourced=bool(sources))


def domains_in(names: Iterable[str]) -> frozenset[str]:
    """The trust domains of those names that are SPIFFE ids."""
    return frozenset(n.removeprefix(_SCHEME).partition("/")[0] for n in names if n.startswith(_SCHEME))
