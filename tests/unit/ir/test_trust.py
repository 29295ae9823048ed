"""Whose identities count, by what sources name."""

from __future__ import annotations

import msgspec

from meshbuild import CONFIG
from tandem.base.problems import Origin
from tandem.ir import wire
from tandem.ir.trust import Domains, TrustSource, domains_in, domains_of


def source(*domains: str, name: str = "a") -> TrustSource:
    return TrustSource(socket=f"/{name}", domains=domains, origin=Origin(kind="TrustSource", name=name))


def test_without_a_source_our_own_counts_alone() -> None:
    assert domains_of("own", ()) == Domains(own="own")


def test_all_that_sources_name_count_each_once() -> None:
    found = domains_of("own", (source("b", "own"), source("a", "b")))
    assert found == Domains(own="own", foreign=("a", "b"), sourced=True)


def test_a_source_of_our_own_domain_makes_nobody_foreign() -> None:
    assert domains_of("own", (source("own"),)) == Domains(own="own", sourced=True)


def test_sources_travel_with_the_mesh_and_keep_their_origins() -> None:
    config = msgspec.structs.replace(CONFIG, trust_sources=(source("b"),))
    assert wire.decode(wire.URLS[type(config)], wire.encode(config)) == config
    assert wire.origins(config) == {Origin(kind="TrustSource", name="a")}
    assert config.domains == Domains(own="cluster.local", foreign=("b",), sourced=True)


def test_names_that_are_no_spiffe_ids_are_of_no_domain() -> None:
    assert domains_in(("spiffe://a/x", "spiffe://b", "https://c/x", "d")) == {"a", "b"}
