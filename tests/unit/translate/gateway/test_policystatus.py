"""Conditions of BackendTLSPolicies, for each gateway that they concern."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from gatewayworlds import at, gateway, route, world
from tandem.base.problems import by_object
from tandem.model.backendtls import BackendTLSPolicy
from tandem.model.meta import Object
from tandem.translate.conditions import Programmed
from tandem.translate.status import Given, patches_of
from tandem.translate.unreadable import problems_of
from tlsworlds import backend_tls, bundle, ca, secured, target

KEY = ("BackendTLSPolicy", "default", "tls")
IN_FORCE: Programmed = {KEY: (True, "")}
Status = dict[str, Any]


def written(*objects: Object, programmed: Programmed = IN_FORCE) -> dict[str, Status]:
    """What is written, by name."""
    found = secured(*objects)
    policies = world(*objects).sorted(BackendTLSPolicy)
    told = by_object(found.problems)
    keys = [(p.kind, *p.key) for p in policies]
    patches = patches_of(world(*objects), keys, told, programmed, 0.0, given=Given(edge=found))
    return {p.name: p.body["status"] for p in patches}


def conditions(ancestor: Status) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in ancestor["conditions"]}


def only(status: Status) -> dict[str, tuple[str, str]]:
    (ancestor,) = status["ancestors"]
    return conditions(ancestor)


def test_a_policy_in_force_says_so_at_the_gateway() -> None:
    (one,) = written(gateway("edge"), route("hr"), backend_tls(), bundle())["tls"]["ancestors"]
    named = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "default", "name": "edge"}
    assert (one["ancestorRef"], one["controllerName"]) == (named, "tandem.io/controller")
    assert conditions(one) == {
        "Accepted": ("True", "Accepted"),
        "ResolvedRefs": ("True", "ResolvedRefs"),
        "Programmed": ("True", "Programmed"),
    }
    assert {c["observedGeneration"] for c in one["conditions"]} == {1}


def test_without_an_authority_it_is_not_accepted_and_with_one_of_two_it_is() -> None:
    found = written(gateway("edge"), route("hr"), backend_tls(refs=(ca("gone"),)), bundle())["tls"]
    assert only(found)["Accepted"] == ("False", "NoValidCACertificate")
    assert only(found)["ResolvedRefs"] == ("False", "InvalidCACertificateRef")
    assert only(found)["Programmed"] == ("False", "Invalid")
    found = written(gateway("edge"), route("hr"), backend_tls(refs=(ca("gone", kind="Secret"), ca())), bundle())["tls"]
    assert only(found)["Accepted"] == ("True", "Accepted")
    assert only(found)["ResolvedRefs"] == ("False", "InvalidKind")


def test_what_is_wrong_with_a_target_is_told_where_the_target_is_reached() -> None:
    other = route("more", at("other"), rules=[{"backendRefs": [{"name": "gone", "port": 80}]}])
    policy = backend_tls("tls", target(), target("gone"))
    first, second = written(gateway("edge"), gateway("other"), route("hr"), other, policy, bundle())["tls"]["ancestors"]
    assert conditions(first)["Accepted"] == ("True", "Accepted")
    assert conditions(second)["Accepted"] == ("False", "TargetNotFound")


def test_a_policy_that_is_not_the_first_is_conflicted() -> None:
    found = written(gateway("edge"), route("hr"), backend_tls("tls"), backend_tls("zwei"), bundle())
    assert only(found["tls"])["Accepted"] == ("True", "Accepted")
    assert only(found["zwei"])["Accepted"] == ("False", "Conflicted")


def test_a_policy_that_is_not_understood_is_invalid_in_the_words_of_the_api() -> None:
    policy = backend_tls()
    closed = replace(policy, metadata=replace(policy.metadata, unreadable=("spec.more: unknown field",)))
    found = secured(gateway("edge"), route("hr"), closed)
    told = {KEY: problems_of(closed)}
    (patch,) = patches_of(world(closed), [KEY], told, {}, 0.0, given=Given(edge=found))
    assert only(patch.body["status"])["Accepted"] == ("False", "Invalid")


def test_entries_of_others_stay_and_nothing_is_written_where_nothing_changed() -> None:
    foreign = {"ancestorRef": {"name": "x"}, "controllerName": "example.com/x", "conditions": []}
    objects = (gateway("edge"), route("hr"), bundle())
    status = written(*objects, backend_tls(status={"ancestors": [foreign]}))["tls"]
    assert [a["controllerName"] for a in status["ancestors"]] == ["example.com/x", "tandem.io/controller"]
    assert written(*objects, backend_tls(status=status)) == {}
    (left,) = written(bundle(), backend_tls(status=status))["tls"]["ancestors"]
    assert left["controllerName"] == "example.com/x"
    assert written(backend_tls(), bundle()) == {}
