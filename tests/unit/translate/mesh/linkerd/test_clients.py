"""Whom authorizations mean."""

from __future__ import annotations

from linkerdworlds import END, allowing, by, mesh_tls, networks, older
from tandem.ir.authz import Attribute, Requirement
from tandem.ir.match import Exact, Prefix, Present
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh.linkerd.clients import Authentications
from tandem.translate.mesh.linkerd.defaults import OF_CLUSTER
from tandem.translate.mesh.linkerd.identities import PROVED

ACCOUNT = "cluster.local/ns/{}/sa/{}"


def read(*objects: Object) -> Authentications:
    return Authentications(World.of(objects), "cluster.local")


def told(authentications: Authentications) -> list[tuple[str, str]]:
    return [(p.code, p.at.path) for p in authentications.problems]


def who(*texts: object) -> Requirement:
    return Requirement(attribute=Attribute.PRINCIPAL, values=texts)  # type: ignore[arg-type]


def where(cidr: str, *excepts: str) -> Requirement:
    refuses = tuple(map(Exact, excepts))
    return Requirement(attribute=Attribute.PEER_ADDRESS, values=(Exact(cidr),), refuses=refuses)


def test_all_that_is_required_must_hold_and_one_of_each_list() -> None:
    found = read(mesh_tls(identities=[f"a.shop.{END}", f"*.x.{END}"]), networks("10.0.0.0/8", "192.0.2.7"))
    policy = allowing("web", by("MeshTLSAuthentication", "ids"), by("NetworkAuthentication", "nets"))
    named = who(Exact(ACCOUNT.format("shop", "a")), Prefix("cluster.local/ns/x/sa/"))
    assert found.of_policy(policy).sources == ((named, where("10.0.0.0/8")), (named, where("192.0.2.7/32")))
    assert [o.kind for o in found.of_policy(policy).made_of] == [
        "LinkerdAuthorizationPolicy",
        "MeshTLSAuthentication",
        "NetworkAuthentication",
    ]


def test_a_service_account_is_of_the_policys_namespace_unless_it_says_otherwise() -> None:
    for ns, home in (("", "default"), ("shop", "shop")):
        found = read().of_policy(allowing("web", by("ServiceAccount", "a", ns)))
        assert found.sources == ((who(Exact(ACCOUNT.format(home, "a"))),),)


def test_references_to_identities_are_accounts_and_namespaces() -> None:
    refs = [{"kind": "ServiceAccount", "name": "a"}, {"kind": "Namespace", "name": "shop"}]
    found = read(mesh_tls(identityRefs=refs)).of_policy(allowing("web", by("MeshTLSAuthentication", "ids")))
    assert found.sources == ((who(Exact(ACCOUNT.format("default", "a")), Prefix("cluster.local/ns/shop/sa/")),),)


def test_a_missing_authentication_authorizes_nobody() -> None:
    found = read(networks("10.0.0.0/8"))
    policy = allowing("web", by("NetworkAuthentication", "nets"), by("MeshTLSAuthentication", "ids"))
    assert found.of_policy(policy).sources == ()
    assert told(found) == [("AuthenticationNotFound", "spec.requiredAuthenticationRefs[1]")]


def test_what_requires_nothing_is_for_everyone_and_says_so() -> None:
    found = read()
    assert found.of_policy(allowing("web")).sources == ((),)
    assert told(found) == [("AuthorizesEveryone", "spec.requiredAuthenticationRefs")]


def test_names_that_nobody_can_prove_here_are_told_and_mean_nobody() -> None:
    found = read(mesh_tls(identities=["web.example.org"]))
    (source,) = found.of_policy(allowing("web", by("MeshTLSAuthentication", "ids"))).sources
    assert source == (Requirement(attribute=Attribute.PRINCIPAL, values=(Present(),), refuses=(Present(),)),)
    assert told(found) == [("UnknownIdentity", "spec.identities[0]")]


def test_networks_have_exceptions_and_what_is_no_prefix_is_told() -> None:
    found = read(networks({"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.0.0.1"]}, "x"))
    sources = found.of_policy(allowing("web", by("NetworkAuthentication", "nets"))).sources
    assert sources == ((where("10.0.0.0/8", "10.1.0.0/16", "10.0.0.1/32"),),)
    assert told(found) == [("InvalidValue", "spec.networks[1]")]


def test_the_older_kind_is_for_the_cluster_unless_it_names_networks() -> None:
    found = read()
    assert found.of_older(older(client={"unauthenticated": True})).sources == ((OF_CLUSTER,),)
    named = {"networks": [{"cidr": "192.0.2.0/24"}], "meshTLS": {"unauthenticatedTLS": True}}
    assert found.of_older(older(client=named)).sources == ((PROVED, where("192.0.2.0/24")),)
    accounts = {"meshTLS": {"serviceAccounts": [{"name": "a"}, {"name": "b", "namespace": "shop"}]}}
    texts = (Exact(ACCOUNT.format("default", "a")), Exact(ACCOUNT.format("shop", "b")))
    assert found.of_older(older(client=accounts)).sources == ((who(*texts), OF_CLUSTER),)
    assert found.of_older(older(client={})).sources == ()
