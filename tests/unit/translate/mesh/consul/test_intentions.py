"""Which ServiceIntentions judge a pod, and what is wrong with them; that they do it rightly: tests/property."""

from __future__ import annotations

import msgspec

from builders import pod, service
from consulworlds import intentions, jwt, permission, provider, source
from tandem.base.problems import Severity
from tandem.model.consul import ServiceIntentions, ServiceIntentionsSpec
from tandem.model.consultokens import JWTProvider
from tandem.model.world import World
from tandem.translate.mesh.consul.intentions import IntentionIndex
from tandem.translate.options import Options
from tandem.translate.world import translate_world

ROOT = "istio-system"
WEB, DB = service("web"), service("db")


def index(*said: ServiceIntentions | JWTProvider) -> IntentionIndex:
    return IntentionIndex(World.of([*said, WEB, DB]), ROOT)


def names(found: IntentionIndex, *services: str, ns: str = "default") -> list[str]:
    behind = [s for s in (WEB, DB) if s.metadata.name in services]
    return [p.origin.name for p in found.policies(ns, behind)]


def told(*said: ServiceIntentions | JWTProvider) -> list[tuple[str, str, Severity]]:
    return [(p.at.path, p.code, p.severity) for p in index(*said).problems]


def unread(one: ServiceIntentions, *, blind: bool = False) -> ServiceIntentions:
    meta = msgspec.structs.replace(one.metadata, unreadable=("spec: moon",))
    return msgspec.structs.replace(one, metadata=meta, spec=ServiceIntentionsSpec() if blind else one.spec)


def test_a_destination_is_the_pods_of_its_service_or_all() -> None:
    found = index(intentions("web", source("a")), intentions("*", source("b")))
    assert names(found, "web") == ["web"]
    assert names(found, "db") == ["all"]
    assert names(found) == ["all"]
    assert names(found, ns="other") == []
    assert names(index(intentions("db", source("a"))), "web") == []


def test_what_denies_for_all_counts_beside_a_destination_that_is_named() -> None:
    found = index(intentions("web", source("a")), intentions("*", source("b", "deny")))
    assert names(found, "web") == ["all", "web"]


def test_a_pod_of_two_destinations_needs_the_word_of_both() -> None:
    found = index(intentions("web", source("a")), intentions("db", source("b")))
    assert names(found, "web", "db") == ["db", "web"]


def test_only_the_root_namespace_is_about_others() -> None:
    every = intentions("*", source("*", namespace="*"), ns=ROOT, of="*", name="every")
    assert names(index(every), "web") == ["every"]
    alien = intentions("web", source("a"), ns="other", of="default")
    assert names(index(alien), "web") == []
    assert told(alien) == [("spec.destination.namespace", "RefNotPermitted", Severity.ERROR)]


def test_a_destination_that_is_not_there_is_told() -> None:
    assert told(intentions("gone", source("a"))) == [("spec.destination.name", "TargetNotFound", Severity.ERROR)]


def test_a_second_object_is_told_of_the_first() -> None:
    older = intentions("web", source("a"), name="one", created="2026-01-01T00:00:00Z")
    newer = intentions("web", source("a"), name="two", created="2026-01-02T00:00:00Z")
    assert told(newer, older) == [("spec.destination", "Merged", Severity.WARNING)]
    (problem,) = index(newer, older).problems
    assert problem.at.name == "two"


def test_that_nobody_is_allowed_is_told() -> None:
    assert told(intentions("web", source("a", "deny"))) == [("spec.sources", "NothingAllowed", Severity.WARNING)]
    assert told(intentions("web", source("a", permissions=[permission("deny")])))[0][1] == "NothingAllowed"
    every = intentions("*", source("*"))
    assert told(intentions("web", source("a", "deny")), every) == []


def test_sources_of_elsewhere_are_about_nobody() -> None:
    found = told(intentions("web", source("a"), *(source("x", **{f: "y"}) for f in ("peer", "partition"))))
    assert found == [
        (f"spec.sources[{i}].{f}", "UnsupportedField", Severity.ERROR) for i, f in ((1, "peer"), (2, "partition"))
    ]


def test_what_comes_without_a_token_that_is_asked_for_is_denied() -> None:
    asked = intentions("web", source("a"), source("b", "deny"), jwt=jwt("p", team="red"))
    assert told(asked, provider("p")) == []
    (policy,) = index(asked, provider("p")).policies("default", [WEB])
    rules = {rule.origin.path: rule for rule in policy.rules}
    assert rules.keys() == {"spec.jwt", "spec.sources", "spec.sources[1]"}
    assert [len(way) for way in rules["spec.jwt"].unless] == [2]
    assert len(rules["spec.jwt"].sources) == 1


def test_a_provider_that_is_not_there_leaves_nobody() -> None:
    asked = intentions("web", source("a"), jwt=jwt("p"))
    assert told(asked) == [("spec.jwt.providers[0].name", "ProviderNotFound", Severity.ERROR)]
    (policy,) = index(asked).policies("default", [WEB])
    assert [(rule.origin.path, rule.unless) for rule in policy.rules] == [("spec.jwt", ()), ("spec.sources", ())]


def test_a_pod_takes_the_tokens_that_intentions_about_it_ask_for() -> None:
    allowed = [{**permission(), "jwt": jwt("q")}, {**permission("deny"), "jwt": jwt("r")}]
    said = intentions("web", source("a", permissions=allowed), jwt=jwt("p"))
    found = index(said, *map(provider, "pqrs"))
    assert [rule.provider for rule in found.tokens("default", [WEB])] == ["default/p", "default/q"]
    assert found.tokens("default", [DB]) == ()
    other = index(said, *(provider(n, audiences=["x"]) for n in "pqrs"))
    assert found.differing(other) == {"default"}


def test_what_nobody_understands_closes_its_destination_or_its_namespace() -> None:
    assert names(index(unread(intentions("web", source("a")))), "web") == ["web"]
    blind = unread(intentions("web", source("a")), blind=True)
    assert names(index(blind), "db") == ["web"]
    assert names(index(blind), ns="other") == []
    root = unread(intentions("web", source("a"), ns=ROOT), blind=True)
    assert names(index(root), ns="other") == ["web"]


def test_where_two_say_something_else() -> None:
    nothing = index()
    assert index(intentions("web", source("a"))).differing(nothing) == {"default"}
    assert nothing.differing(index(intentions("*", source("a"), ns="other"))) == {"other"}
    assert index(intentions("*", source("a"), ns=ROOT, of="*")).differing(nothing) == {ROOT}
    assert index(unread(intentions("web"), blind=True)).differing(nothing) == {"default"}
    assert index(intentions("web", source("a"))).differing(index(intentions("web", source("a")))) == set()


def test_a_pod_that_is_meant_by_name_and_is_not_in_the_mesh_is_told() -> None:
    outside = pod("web", labels={"app": "web"})
    behind = service("web", selector={"app": "web"})
    said = (intentions("web", source("a")), intentions("*", source("b")))
    found = translate_world(World.of([outside, behind, *said]), Options()).problems
    assert [(p.at.name, p.code) for p in found] == [("web", "NotInMesh")]
