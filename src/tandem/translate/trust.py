"""TrustSources -> what every node must know of them, and Problems with the roots that some name. Pure."""

from __future__ import annotations

from typing import Final

from tandem.base.problems import Problem
from tandem.ir import trust
from tandem.model import core
from tandem.model.trustsource import RootsRef, TrustSource
from tandem.model.world import World
from tandem.translate.options import Options
from tandem.translate.texts import certificates_in, decoded

_AT: Final = "spec.roots"
_ENTRY: Final = "ca.crt"
_REVOKED: Final = "ca.crl"


def translate_trust(world: World) -> tuple[trust.TrustSource, ...]:
    """All of them; of one whose roots cannot be had the domains are known, and nobody is trusted."""
    return tuple(
        trust.TrustSource(
            domains=tuple(sorted(source.spec.trust_domains)),
            socket=source.spec.spire.socket if source.spec.spire is not None else "",
            roots_pem=_roots(world, source.spec.roots)[0] if source.spec.roots is not None else "",
            origin=source.origin(),
        )
        for source in world.sorted(TrustSource)
    )


def trust_problems(world: World) -> tuple[Problem, ...]:
    """Roots that cannot be had."""
    named = ((source, source.spec.roots) for source in world.sorted(TrustSource) if source.spec.roots is not None)
    told = ((source, _roots(world, ref)[1]) for source, ref in named)
    return tuple(Problem(at=source.origin(_AT), code="RootsNotFound", text=text) for source, text in told if text)


def trusted_domains(world: World, options: Options) -> trust.Domains:
    """Whose identities count."""
    return trust.domains_of(options.trust_domain, translate_trust(world))


def _roots(world: World, ref: RootsRef) -> tuple[str, str]:
    """In PEM, and why there are none."""
    key = ref.namespace, ref.name
    secret, config = world.get(core.Secret, *key), world.get(core.ConfigMap, *key)
    if secret is None and config is None:
        return "", f"no Secret or ConfigMap {ref.name} in namespace {ref.namespace}"
    where = f"{'Secret' if secret is not None else 'ConfigMap'} {ref.namespace}/{ref.name}"
    data = secret.data if secret is not None else config.data if config is not None else {}
    if _REVOKED in data:
        return "", f"{where} has {_REVOKED}: lists of revoked certificates are not supported here"
    text = data.get(_ENTRY, "")
    pem = "".join(certificates_in(decoded(text) if secret is not None else text))
    return pem, "" if pem else f"{where}: {_ENTRY} has no certificate in PEM, or one that cannot be read"
