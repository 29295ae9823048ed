"""Tokens that Consul's JWTProviders take for valid, judged on the objects."""

from __future__ import annotations

from typing import Any

from consulworlds import intentions, jwt, permission, provider, source
from jwts import Issuer
from tandem.model.consul import JwtRequirement, ServiceIntentions
from tandem.model.consultokens import JWTProvider
from tandem.model.world import World
from tandem.reference.authorization import Asked
from tandem.reference.consultokens import can_be_asked, has_token, valid_tokens

I = Issuer("i")  # noqa: E741 - its name
BEARER = {"header": {"name": "Authorization", "valuePrefix": "Bearer "}}


def asked(token: str = "", path: str = "/") -> Asked:
    return Asked(path=path, headers={"authorization": f"Bearer {token}"} if token else {})


def valid(said: ServiceIntentions, one: Asked, *providers: JWTProvider) -> list[str]:
    return ["/".join(key) for key in valid_tokens(World.of(providers), [said], one)]


def holds(*providers: JWTProvider, token: str = "", **claims: str) -> bool:
    said = intentions("web", source("a"), jwt=jwt("p", **claims))
    world, wanted = World.of(providers), said.spec.jwt
    assert wanted is not None
    return has_token(world, said, wanted, valid_tokens(world, [said], asked(token)))


def test_a_token_has_the_issuer_and_an_audience_of_its_provider() -> None:
    p = provider("p", audiences=["w", "x"])
    assert holds(p, token=I.token(aud=["x", "y"]))
    assert not holds(p, token=I.token(aud="y"))
    assert not holds(p, token=Issuer("k").token(aud="x"))
    assert not holds(p, token=I.token().replace(".", ""))
    assert not holds(p)


def test_every_claim_is_that_text() -> None:
    token = I.token(team="red", o={"t": "x"}, groups=["red"])
    assert holds(provider("p"), token=token, team="red", o__t="x")
    assert not holds(provider("p"), token=token, team="red", o__t="y")
    assert not holds(provider("p"), token=token, groups="red")
    assert not holds(provider("p"), token=token, team__x="red")


def test_a_provider_that_cannot_be_used_has_no_token() -> None:
    def can(*names: str, **spec: Any) -> bool:
        said = intentions("web", source("a"))
        wanted = intentions("web", source("a"), jwt=jwt(*names)).spec.jwt or JwtRequirement()
        return can_be_asked(World.of([provider("p", **spec), provider("r", ns="istio-system")]), said, wanted)

    assert can("p", "r")
    assert not can()
    assert not can("p", "gone")
    assert not can("p", issuer="")
    assert not can("p", jsonWebKeySet={"local": {"filename": "/x"}})
    assert not can("p", jsonWebKeySet={"remote": {"uri": "http://x/", "jwksCluster": {"tlsCertificates": {}}}})


def test_a_token_that_is_not_handed_on_is_the_first_providers() -> None:
    both = intentions("web", source("a", permissions=[{**permission(), "jwt": jwt("p", "q")}]))
    one = asked(I.token())
    assert valid(both, one, provider("p"), provider("q")) == ["default/p"]
    handed: Any = {"locations": [{"header": {**BEARER["header"], "forward": True}}]}
    assert valid(both, one, provider("p", **handed), provider("q")) == ["default/p", "default/q"]
    query = asked(path=f"/?access_token={I.token()}")
    assert valid(both, query, provider("p"), provider("q")) == ["default/p", "default/q"]


def test_what_denies_looks_at_no_token() -> None:
    denies = intentions("web", source("a", permissions=[{**permission("deny"), "jwt": jwt("p")}]))
    assert valid(denies, asked(I.token()), provider("p")) == []
