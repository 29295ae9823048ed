"""TrustSources -> what every node must know of them. Pure."""

from __future__ import annotations

from tandem.ir import trust
from tandem.model.trustsource import TrustSource
from tandem.model.world import World
from tandem.translate.options import Options


def translate_trust(world: World) -> tuple[trust.TrustSource, ...]:
    """All of them; what is wrong with one the API has refused."""
    return tuple(
        trust.TrustSource(socket=s.spec.spire.socket, domains=tuple(sorted(s.spec.trust_domains)), origin=s.origin())
        for s in world.sorted(TrustSource)
    )


def trusted_domains(world: World, options: Options) -> trust.Domains:
    """Whose identities count."""
    return trust.domains_of(options.trust_domain, translate_trust(world))
