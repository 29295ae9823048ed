"""TrustSources become what nodes are told."""

from __future__ import annotations

from meshworlds import trust_source
from tandem.base.problems import Origin
from tandem.ir.trust import Domains
from tandem.model.world import World
from tandem.translate.options import Options
from tandem.translate.trust import translate_trust, trusted_domains
from tandem.translate.world import translate_world


def world(**domains: list[str]) -> World:
    return World.of(trust_source(*named, name=name, socket=f"/run/{name}") for name, named in domains.items())


def test_sources_are_in_order_and_know_where_they_come_from() -> None:
    one, two = translate_trust(world(b=["z", "y"], a=["x"]))
    assert (one.socket, one.domains, one.origin) == ("/run/a", ("x",), Origin(kind="TrustSource", name="a"))
    assert two.domains == ("y", "z")


def test_nodes_are_told_with_the_mesh() -> None:
    made = world(a=["x"])
    assert translate_world(made, Options()).config.trust_sources == translate_trust(made)


def test_our_own_domain_is_never_foreign() -> None:
    found = trusted_domains(world(a=["cluster.local", "x"]), Options())
    assert found == Domains(own="cluster.local", foreign=("x",), sourced=True)
