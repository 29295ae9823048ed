"""RequestAuthentication, and rules about tokens, with real requests through a real Envoy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from jwts import Issuer
from limitbuild import by, limit, limited
from meshbuild import attached, endpoint, endpoints, service, view
from netns.meshapps import get, greeter_app, http_app
from netns.meshlab import Lab
from netns.test_mesh_authorization import need, policy, rule
from tandem.base.problems import Origin
from tandem.ir.authn import FetchedKeys, GivenKeys, JwtRule
from tandem.ir.authz import Action, Attribute, AuthzPolicy, Suffix
from tandem.ir.fabric import AppProtocol
from tandem.ir.limits import Key, RateLimit
from tandem.ir.mesh import Exact, Prefix, Present

pytestmark = pytest.mark.root

WEB = "10.96.1.1"
A, B = Issuer("https://a.example/x"), Issuer("b")
URL = "http://keys.shop/jwks"
AT = Origin(kind="RequestAuthentication", namespace="shop", name="ra", path="spec.jwtRules[0]")


def accept(issuer: Issuer, **fields: Any) -> JwtRule:
    return JwtRule(issuer=issuer.name, lists=("scope",), origin=AT, **({"keys": GivenKeys(issuer.jwks)} | fields))


class World:
    """Pod a calls web:80 of pod b, which takes tokens."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {"a": lab.pod("a", "10.244.0.2"), "b": lab.pod("b", "10.244.0.3")}

    def put(
        self,
        *rules: JwtRule,
        policies: tuple[AuthzPolicy, ...] = (),
        keys: dict[str, str] | None = None,
        limits: tuple[RateLimit, ...] = (),
    ) -> None:
        b = attached("b", "10.244.0.3", netns=str(self.ns["b"]))
        judged = {"authentication": rules, "authorization": policies, "limits": limits}
        pod = msgspec.structs.replace(b.pod, **judged, plain_http_ports=(8080,))
        server = msgspec.structs.replace(b, pod=pod)
        self.lab.apply(
            view(
                attached("a", "10.244.0.2", netns=str(self.ns["a"])),
                server,
                service("web", WEB, ("http", 80, AppProtocol.HTTP), ("db", 3306, AppProtocol.TCP)),
                endpoints("web", endpoint(server, http=8080, db=3306)),
                keys=keys or {},
            )
        )

    def ask(self, token: str = "", path: str = "/", **headers: str) -> tuple[int, dict[str, str]]:
        """Status, and the headers that the application saw."""
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        status, body = get(self.ns["a"], WEB, 80, path, **(bearer | headers))
        return status, {name.lower(): value for name, value in body.get("headers", {}).items()}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("tk") as lab:
        made = World(lab)
        with http_app(made.ns["b"], 8080), greeter_app(made.ns["b"], 3306):
            yield made


def test_without_a_token_everybody_passes_and_with_one_only_if_it_is_valid(world: World) -> None:
    world.put(accept(A))
    assert world.ask()[0] == 200
    assert world.ask(A.token())[0] == 200
    for bad in (A.token(exp=1), A.token(iss="other"), B.token(iss=A.name), A.token()[:-4] + "AAAA", "no-token"):
        assert world.ask(bad)[0] == 401, bad
    assert world.ask(path=f"/?access_token={A.token()}")[0] == 200
    assert world.ask(path="/?access_token=bad")[0] == 401


def test_each_of_several_issuers_is_judged_by_its_own_keys(world: World) -> None:
    world.put(accept(A), accept(B))
    assert [world.ask(t)[0] for t in ("", A.token(), B.token())] == [200, 200, 200]
    assert [world.ask(t)[0] for t in (B.token(iss=A.name), A.token(iss="b"), A.token(iss="c"))] == [401, 401, 401]


def test_without_an_issuer_whoever_has_the_keys_may_call_itself_anything(world: World) -> None:
    world.put(msgspec.structs.replace(accept(A), issuer=""))
    assert [world.ask(t)[0] for t in ("", A.token(), A.token(iss="b"))] == [200, 200, 200]
    assert world.ask(B.token())[0] == 401


def test_a_token_is_for_its_audiences(world: World) -> None:
    world.put(accept(A, audiences=("web", "shop")))
    assert world.ask(A.token(aud="web"))[0] == 200
    assert world.ask(A.token(aud=["x", "shop"]))[0] == 200
    assert world.ask(A.token(aud="other"))[0] == 403
    assert world.ask(A.token())[0] == 403


def test_tokens_come_where_the_rule_says(world: World) -> None:
    world.put(accept(A, headers=(("x-bearer", "JWT "),), params=("t",), cookies=("session",)))
    token = A.token()
    assert world.ask(x_bearer=f"JWT {token}")[0] == 200
    assert world.ask(x_bearer="JWT bad")[0] == 401
    assert world.ask(path="/?t=bad")[0] == 401
    assert world.ask(path=f"/?t={token}")[0] == 200
    assert world.ask(cookie=f"a=b; session={token}")[0] == 200
    assert world.ask(cookie="session=bad")[0] == 401
    assert world.ask("bad")[0] == 200, "nobody looks there"


def test_the_application_is_told_claims_and_never_what_a_client_claims(world: World) -> None:
    told = (("x-user", "sub"), ("x-team", "org.team"), ("x-groups", "groups"))
    world.put(accept(A, payload_header="x-payload", claim_headers=told))
    status, seen = world.ask(A.token(sub="me", org={"team": "red"}, groups=["a", "b"]))
    assert (status, seen["x-user"], seen["x-team"]) == (200, "me", "red")
    assert "x-payload" in seen
    assert "authorization" not in seen, "the token itself stays with the proxy"
    pretended = {"x_user": "root", "x_team": "root", "x_payload": "root"}
    for extra in ({}, {"origin": "http://x", "access_control_request_method": "GET"}):
        assert "root" not in world.ask(**pretended, **extra)[1].values()
    assert "root" not in world.ask(A.token(sub=None), **pretended)[1].values()


def test_a_token_is_forwarded_where_the_rule_says_so(world: World) -> None:
    world.put(accept(A, forward=True))
    token = A.token()
    assert world.ask(token)[1]["authorization"] == f"Bearer {token}"


def test_without_keys_no_token_is_valid(world: World) -> None:
    fetched = accept(A, keys=FetchedKeys(url=URL))
    world.put(fetched)
    assert [world.ask(t)[0] for t in ("", A.token())] == [200, 401]
    world.put(fetched, keys={URL: A.jwks})
    assert world.ask(A.token())[0] == 200
    world.put(accept(A, keys=GivenKeys("")))
    assert [world.ask(t)[0] for t in ("", A.token())] == [200, 401]


def test_other_keys_drain_no_connection(world: World) -> None:
    fetched, old = accept(A, keys=FetchedKeys(url=URL)), A.token()
    world.put(fetched, keys={URL: A.jwks})
    assert world.ask(old)[0] == 200
    before = _counted(world, "listener_manager.listener_modified"), _counted(world, "listener_in_place_updated")
    rotated = Issuer(A.name)
    world.put(fetched, keys={URL: rotated.jwks})
    assert [world.ask(t)[0] for t in (old, rotated.token())] == [401, 200]
    assert before == (
        _counted(world, "listener_manager.listener_modified"),
        _counted(world, "listener_in_place_updated"),
    )


def _counted(world: World, name: str) -> str:
    return world.lab.admin(f"/stats?filter={name}")


SUBJECT = f"{A.name}/me"


@pytest.mark.parametrize(
    "source",
    [
        need(Attribute.TOKEN_SUBJECT, Exact(SUBJECT)),
        need(Attribute.TOKEN_SUBJECT, Prefix("https://a")),
        need(Attribute.TOKEN_SUBJECT, Prefix(f"{A.name}/")),
        need(Attribute.TOKEN_SUBJECT, Prefix(f"{A.name}/m")),
        need(Attribute.TOKEN_SUBJECT, Suffix("/me")),
        need(Attribute.TOKEN_SUBJECT, Suffix("x/me")),
        need(Attribute.TOKEN_SUBJECT, Suffix("e")),
        need(Attribute.TOKEN_SUBJECT, Present()),
    ],
)
def test_rules_name_the_subject_of_a_token(world: World, source: Any) -> None:
    world.put(accept(A), accept(B), policies=(policy(Action.ALLOW, rule(sources=(source,))),))
    asked = [world.ask(t)[0] for t in (A.token(sub="me"), "", A.token(sub=None))]
    assert asked == [200, 403, 403]


@pytest.mark.parametrize(
    "source",
    [
        need(Attribute.TOKEN_SUBJECT, Exact(f"{A.name}/m")),
        need(Attribute.TOKEN_SUBJECT, Exact("me")),
        need(Attribute.TOKEN_SUBJECT, Prefix("b/")),
        need(Attribute.TOKEN_SUBJECT, Suffix("/e")),
    ],
)
def test_of_another_subject_nothing_is_allowed(world: World, source: Any) -> None:
    world.put(accept(A), policies=(policy(Action.ALLOW, rule(sources=(source,))),))
    assert world.ask(A.token(sub="me"))[0] == 403


def test_a_denial_may_ask_for_a_token(world: World) -> None:
    nobody = need(Attribute.TOKEN_SUBJECT, refuses=(Present(),))
    world.put(accept(A), policies=(policy(Action.DENY, rule(sources=(nobody,))),))
    assert [world.ask(t)[0] for t in ("", A.token(), "bad")] == [403, 200, 401]


CLAIMS: dict[str, Any] = {"groups": ["dev", "ops"], "scope": "read write", "org": {"team": "red"}, "plain": "yes"}


@pytest.mark.parametrize(
    ("claim", "value", "holds"),
    [
        (("groups",), Exact("ops"), True),
        (("groups",), Prefix("de"), True),
        (("groups",), Exact("root"), False),
        (("scope",), Exact("write"), True),
        (("scope",), Exact("read write"), False),
        (("org", "team"), Exact("red"), True),
        (("org", "team"), Suffix("ed"), True),
        (("org",), Exact("red"), False),
        (("plain",), Present(), True),
        (("missing",), Present(), False),
        (("aud",), Exact("web"), True),
    ],
)
def test_claims(world: World, claim: tuple[str, ...], value: Any, *, holds: bool) -> None:
    asked = msgspec.structs.replace(need(Attribute.CLAIM, value), claim=claim)
    world.put(accept(A), policies=(policy(Action.ALLOW, rule(when=(asked,))),))
    token = A.token(aud=["web", "x"], **CLAIMS)
    assert [world.ask(t)[0] for t in (token, "")] == [200 if holds else 403, 403]


def test_the_log_says_why_a_token_was_refused(world: World) -> None:
    world.put(accept(A))
    world.ask(A.token(exp=1), path="/logged")
    (entry,) = world.lab.ads.log_of(
        "destination|uid-b", lambda e: "request" in e.DESCRIPTOR.fields_by_name and e.request.path == "/logged"
    )
    assert entry.response.response_code_details.startswith("jwt_authn_access_denied")


def test_requests_are_counted_by_a_claim_and_those_without_it_together(world: World) -> None:
    keys = by(Key.CLAIM, claim="org.team"), by(Key.CLAIM, claim="sub")
    world.put(accept(A), limits=(limited(limit(2, *keys)),))
    red, blue = (A.token(sub="me", org={"team": team}) for team in ("red", "blue"))
    assert [world.ask(token)[0] for token in (red, blue) * 3] == [200] * 4 + [429] * 2
    bare, odd = A.token(sub="me"), A.token(sub="me", org={"team": 7})
    assert [world.ask(token)[0] for token in (bare, odd, bare)] == [200, 200, 429], "no team, or none that is a text"
    assert [world.ask()[0] for _ in range(3)] == [200, 200, 429]


def test_a_token_that_is_refused_is_not_counted(world: World) -> None:
    world.put(accept(A), limits=(limited(limit(1)),))
    assert [world.ask(token)[0] for token in ("bad", "bad", A.token(), A.token())] == [401, 401, 200, 429]
