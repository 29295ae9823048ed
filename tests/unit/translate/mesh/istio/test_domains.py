"""Names of the mesh's own trust domain in policies."""

from __future__ import annotations

import pytest

from builders import pod
from meshworlds import authz
from tandem.ir.authz import Attribute
from tandem.ir.mesh import Exact
from tandem.model import core
from tandem.model.meta import Meta
from tandem.model.world import World
from tandem.translate.mesh.istio.authorization import AuthorizationIndex
from tandem.translate.mesh.istio.domains import meant, read_domains
from tandem.translate.mesh.istio.meshconfig import mesh_config_problems
from tandem.translate.options import Options

OPTIONS = Options(trust_domain="new.test")
BOTH = ("new.test", "old.test")
WHO = "ns/shop/sa/a"


def mesh(text: str) -> World:
    meta = Meta(name="istio", namespace="istio-system")
    return World.of([core.ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data={"mesh": text})])


def test_the_domains_are_the_own_one_and_its_aliases() -> None:
    world = mesh("trustDomainAliases: [old.test, new.test]")
    assert read_domains(world, OPTIONS) == BOTH
    assert mesh_config_problems(world, OPTIONS) == ()
    assert read_domains(mesh("trustDomainAliases: old.test"), OPTIONS) == ("new.test",)
    assert read_domains(World.of([]), Options()) == ("cluster.local",)


@pytest.mark.parametrize(
    ("named", "domains"),
    [
        ("new.test", BOTH),
        ("old.test", BOTH),
        ("cluster.local", BOTH),
        ("o*", BOTH),
        ("*.test", ("*.test",)),
        ("*old.test", ("new.test", "*old.test")),
        ("*", ("*",)),
        ("other", ("other",)),
    ],
)
def test_a_principal_of_the_mesh_is_meant_by_each_name(named: str, domains: tuple[str, ...]) -> None:
    found = meant(Attribute.PRINCIPAL, f"{named}/{WHO}", BOTH)
    assert found == tuple(f"{domain}/{WHO}" for domain in domains)


def test_what_names_no_domain_stands_as_it_is() -> None:
    for text in ("*", "cluster.local/ns/shop/*", "a"):
        assert meant(Attribute.PRINCIPAL, text, BOTH) == (text,)
    assert meant(Attribute.NAMESPACE, "old.test", BOTH) == ("old.test",)
    assert meant(Attribute.TRUST_DOMAIN, "old.test", BOTH) == BOTH
    assert meant(Attribute.TRUST_DOMAIN, "cluster.local", BOTH) == ("cluster.local",)


def test_a_denial_that_was_written_for_another_name_of_the_domain_denies() -> None:
    rules = [{"from": [{"source": {"principals": [f"cluster.local/{WHO}"]}}]}]
    world = World.of([authz(action="DENY", rules=rules)])
    (policy,) = AuthorizationIndex(world, "istio-system", {}, ("new.test",)).scoped.of(pod("p"))
    ((requirement,),) = policy.rules[0].sources
    assert requirement.values == (Exact(f"new.test/{WHO}"),)
