"""What intentions become agrees with the reference evaluator of the objects, on random objects and requests."""

from __future__ import annotations

import base64
import json
from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis import given, settings

from authzjudge import carrying, decide
from builders import pod, service
from consulworlds import Raw, intentions, jwt, permission, provider, source
from tandem.model.consul import ServiceIntentions
from tandem.model.consultokens import JWTProvider
from tandem.model.world import World
from tandem.reference.authorization import Asked
from tandem.reference.intentions import decide_intentions
from tandem.translate.mesh.consul.intentions import IntentionIndex

POD = pod("web", labels={"app": "web", "tier": "front"})
SERVICES = (
    service("web", selector={"app": "web"}),
    service("front", selector={"tier": "front"}),
    service("db", selector={"app": "db"}),
)


def token(issuer: str, **more: Any) -> str:
    claims = {"iss": issuer, "team": "red", "o": {"t": "x"}} | more
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer e30.{body}.x"


TOKENS = (
    *(token(issuer, **more) for issuer in ("i", "k") for more in ({}, {"aud": "w"}, {"team": "blue"}, {"o": "x"})),
    "Bearer no",
    "Basic x",
)
NAMES = (("a", ""), ("b", ""), ("*", ""), ("a", "shop"), ("*", "shop"), ("*", "*"))
HEADERS = st.builds(
    lambda value, **more: {"name": "X-A", **value, **more},
    st.sampled_from(
        ({"present": True}, {"exact": "1"}, {"prefix": "1"}, {"suffix": "2"}, {"contains": "B"}, {"regex": "[0-9]+"})
    ),
    invert=st.booleans(),
)
HTTP = st.fixed_dictionaries(
    {},
    optional={
        "methods": st.lists(st.sampled_from(("GET", "POST")), min_size=1, max_size=2, unique=True),
        "header": st.lists(
            st.one_of(HEADERS, st.just({"name": "x-a", "contains": "B", "ignoreCase": True})), min_size=1, max_size=2
        ),
    },
)
PATHS = st.sampled_from(({}, {"pathExact": "/a"}, {"pathPrefix": "/a/"}, {"pathRegex": "/a/?b?"}))
ASKS = st.builds(
    lambda names, claims: jwt(*names, **claims),
    st.lists(st.sampled_from(("p", "p", "q", "r", "none")), max_size=2, unique=True),
    st.sampled_from(({}, {"team": "red"}, {"o__t": "x"}, {"team": "red", "o__t": "x"})),
)
PERMISSIONS = st.one_of(
    st.builds(
        lambda made, asked: {**made, "jwt": asked},
        st.builds(lambda action, path: permission(action, **path), st.sampled_from(("allow", "allow", "deny")), PATHS),
        ASKS,
    ),
    st.builds(
        lambda action, path, http: permission(action, **path, **http), st.sampled_from(("allow", "deny")), PATHS, HTTP
    ),
    st.sampled_from(
        (
            {**permission("deny", pathExact="/a"), "jwt": {}},
            permission("allow", header=[{"name": "Host", "exact": "a"}]),
        )
    ),
)


@st.composite
def sources(draw: st.DrawFn) -> list[Raw]:
    found = []
    for name, namespace in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)):
        where: Raw = {"namespace": namespace} if namespace else {}
        if draw(st.integers(0, 9)) == 0:
            where["peer"] = "far"
        permissions = draw(st.lists(PERMISSIONS, max_size=3))
        more: Raw = {"permissions": permissions} if permissions else {}
        found.append(source(name, draw(st.sampled_from(("allow", "deny"))), **where, **more))
    return found


@st.composite
def objects(draw: st.DrawFn) -> ServiceIntentions:
    home, of, name = draw(
        st.sampled_from(
            (
                *(("default", "", name) for name in ("web", "front", "db", "*")),
                ("istio-system", "default", "web"),
                ("istio-system", "default", "*"),
                ("istio-system", "*", "*"),
                ("other", "default", "web"),
                ("other", "", "*"),
            )
        )
    )
    asked: Raw = {"jwt": draw(ASKS)} if draw(st.integers(0, 3)) == 0 else {}
    made = intentions(name, *draw(sources()), ns=home, of=of, name=draw(st.sampled_from("ij")), **asked)
    if draw(st.integers(0, 9)) == 0:
        spec = made.spec if draw(st.booleans()) else type(made.spec)()
        made = msgspec.structs.replace(made, spec=msgspec.structs.replace(spec, sources=()))
        made = msgspec.structs.replace(made, metadata=msgspec.structs.replace(made.metadata, unreadable=("spec: x",)))
    return made


ASKED = st.builds(
    Asked,
    principal=st.sampled_from(("", *(f"cluster.local/ns/{n}/sa/{a}" for n in ("default", "shop", "x") for a in "ab"))),
    port=st.just(80),
    parsed=st.booleans(),
    method=st.sampled_from(("GET", "POST")),
    path=st.sampled_from(("/a", "/a/b", "//a", "/a//b", "/a%2Fb", "/ab?q=1", "/a/..%2Fb")),
    headers=st.builds(
        lambda plain, tokens: {**plain, **tokens},
        st.sampled_from(({}, {"x-a": "1"}, {"x-a": "12b"}, {"x-a": "B2"})),
        st.dictionaries(
            st.sampled_from(("authorization", "x-token")),
            st.sampled_from(TOKENS),
        ),
    ),
)
HEADER = {"header": {"name": "X-Token", "valuePrefix": "Bearer "}}
BEARER = {"header": {"name": "Authorization", "valuePrefix": "Bearer "}}
PROVIDERS = st.lists(
    st.builds(
        lambda name, ns, spec: provider(name, ns=ns, **spec),
        st.sampled_from("pqr"),
        st.sampled_from(("default", "default", "istio-system", "other")),
        st.sampled_from(
            (
                {},
                {"audiences": ["w"]},
                {"issuer": "k", "locations": [HEADER]},
                {"locations": [HEADER, BEARER]},
                {"locations": [{"header": {**BEARER["header"], "forward": True}}]},
                {"locations": [{"header": {**BEARER["header"], "forward": True}}, HEADER]},
                {"issuer": ""},
                {"jsonWebKeySet": {"local": {"filename": "/keys"}}},
                {"jsonWebKeySet": {"remote": {"uri": "http://keys/"}}},
                {"jsonWebKeySet": {"remote": {"uri": "http://keys/", "jwksCluster": {"tlsCertificates": {}}}}},
            )
        ),
    ),
    max_size=4,
    unique_by=lambda one: one.key,
)


@settings(max_examples=300)
@given(st.lists(objects(), max_size=4, unique_by=lambda o: o.key), PROVIDERS, st.lists(ASKED, min_size=1, max_size=6))
def test_translation_agrees_with_the_reference(
    said: list[ServiceIntentions], providers: list[JWTProvider], asked: list[Asked]
) -> None:
    agree(said, providers, asked)


def agree(said: list[ServiceIntentions], providers: list[JWTProvider], asked: list[Asked]) -> None:
    world = World.of([*said, *SERVICES, *providers])
    index = IntentionIndex(world, "istio-system")
    judging, rules = index.policies("default", SERVICES[:2]), index.tokens("default", SERVICES[:2])
    for one in asked:
        found = decide_intentions(world, POD, one)
        assert decide(judging, carrying(rules, one))[0] == found.allowed, (one, found)


@st.composite
def asking(draw: st.DrawFn) -> ServiceIntentions:
    """One that is about `web` alone, and asks for tokens of `a` in one place or the other."""
    allowed = [{**permission("allow", pathPrefix=path), "jwt": draw(ASKS)} for path in ("/a", "/ab")]
    said = draw(st.sampled_from((source("a"), source("a", permissions=allowed))))
    every: Raw = {"jwt": draw(ASKS)} if "permissions" not in said or draw(st.booleans()) else {}
    return intentions("web", said, source("*"), **every)


@settings(max_examples=300)
@given(asking(), PROVIDERS, st.lists(ASKED, min_size=4, max_size=8))
def test_tokens_are_asked_for_as_the_reference_says(
    said: ServiceIntentions, providers: list[JWTProvider], asked: list[Asked]
) -> None:
    mine = [msgspec.structs.replace(one, principal="cluster.local/ns/default/sa/a", parsed=True) for one in asked]
    agree([said], providers, mine)
