"""What intentions become agrees with the reference evaluator of the objects, on random objects and requests."""

from __future__ import annotations

import hypothesis.strategies as st
import msgspec
from hypothesis import given, settings

from authzjudge import decide
from builders import pod, service
from consulworlds import Raw, intentions, permission, source
from tandem.model.consul import ServiceIntentions
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
PERMISSIONS = st.one_of(
    st.builds(
        lambda action, path, http: permission(action, **path, **http), st.sampled_from(("allow", "deny")), PATHS, HTTP
    ),
    st.sampled_from(
        (
            {**permission("allow"), "jwt": {"providers": [{"name": "p"}]}},
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
    jwt: Raw = {"jwt": {"providers": []}} if draw(st.integers(0, 9)) == 0 else {}
    made = intentions(name, *draw(sources()), ns=home, of=of, name=draw(st.sampled_from("ij")), **jwt)
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
    headers=st.sampled_from(({}, {"x-a": "1"}, {"x-a": "12b"}, {"x-a": "B2"})),
)


@settings(max_examples=300)
@given(st.lists(objects(), max_size=4, unique_by=lambda o: o.key), st.lists(ASKED, min_size=1, max_size=6))
def test_translation_agrees_with_the_reference(said: list[ServiceIntentions], asked: list[Asked]) -> None:
    world = World.of([*said, *SERVICES])
    index = IntentionIndex(world, "istio-system")
    judging = index.policies("default", SERVICES[:2])
    for one in asked:
        found = decide_intentions(world, POD, one)
        assert decide(judging, one)[0] == found.allowed, (one, found)
