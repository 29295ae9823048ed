"""TrustSources become what nodes are told."""

from __future__ import annotations

import base64

import pytest

from issuing import authority
from meshworlds import trust_source
from tandem.base.problems import Origin
from tandem.ir.trust import Domains
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.options import Options
from tandem.translate.trust import translate_trust, trust_problems, trusted_domains
from tandem.translate.world import translate_world

ROOT = authority().pem


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


def bundle(kind: str = "ConfigMap", name: str = "partner", **data: str) -> Object:
    named = {key.replace("_", "."): text for key, text in data.items()}
    if kind == "Secret":
        named = {key: base64.b64encode(text.encode()).decode() for key, text in named.items()}
    meta = {"namespace": "mesh", "name": name}
    return parse({"apiVersion": "v1", "kind": kind, "metadata": meta, "data": named})


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_roots_may_be_written_in_the_cluster(kind: str) -> None:
    made = World.of([trust_source("x", roots="mesh/partner"), bundle(kind, ca_crt=ROOT)])
    (source,) = translate_world(made, Options()).config.trust_sources
    assert (source.socket, source.roots_pem) == ("", ROOT)
    assert trust_problems(made) == ()


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([], "no Secret or ConfigMap partner in namespace mesh"),
        ([bundle(name="other", ca_crt=ROOT)], "no Secret or ConfigMap partner"),
        ([bundle(tls_crt=ROOT)], "ca.crt has no certificate"),
        ([bundle(ca_crt="x")], "no certificate in PEM"),
        ([bundle(ca_crt=ROOT, ca_crl="list")], "not supported"),
    ],
)
def test_roots_that_cannot_be_had_trust_nobody_and_the_source_is_told(objects: list[Object], words: str) -> None:
    made = World.of([trust_source("x", roots="mesh/partner"), *objects])
    translation = translate_world(made, Options())
    (source,) = translation.config.trust_sources
    assert (source.domains, source.roots_pem) == (("x",), "")
    (problem,) = translation.told["TrustSource", "", "partner"]
    assert (problem.code, problem.at.path) == ("RootsNotFound", "spec.roots")
    assert words in problem.text
