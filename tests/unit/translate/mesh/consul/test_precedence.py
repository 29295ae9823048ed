"""Which intention decides about whom, and what is denied."""

from __future__ import annotations

import pytest

from tandem.base.problems import Origin
from tandem.ir.authz import Action, Attribute, Requirement, Requirements
from tandem.ir.mesh import Exact, Present
from tandem.translate.mesh.consul.permissions import Permission
from tandem.translate.mesh.consul.precedence import Intention, deciding, denials, policies_of

OWNER = Origin(kind="ServiceIntentions", namespace="shop", name="web")
REST = Origin(kind="ServiceIntentions", namespace="shop", name="web", path="spec.sources")
ASKS: Requirements = (Requirement(attribute=Attribute.METHOD, values=(Exact("GET"),)),)


def one(
    source: str, at: int = 0, *, allows: bool = True, permissions: tuple[Permission, ...] | None = None
) -> Intention:
    namespace, name = source.split("/")
    origin = Origin(kind="ServiceIntentions", namespace="shop", name="web", path=f"spec.sources[{at}]")
    return Intention(source=(namespace, name), allows=allows, permissions=permissions, owner=OWNER, origin=origin)


def order(*levels: list[str]) -> list[tuple[str, list[str]]]:
    found = deciding([[one(name) for name in level] for level in levels])
    return [("/".join(i.source), ["/".join(o.source) for o in apart]) for i, apart in found]


def test_the_more_specific_source_comes_first() -> None:
    assert order(["*/*", "shop/*", "shop/a"]) == [
        ("shop/a", []),
        ("shop/*", ["shop/a"]),
        ("*/*", ["shop/a", "shop/*"]),
    ]


def test_a_destination_that_is_named_comes_before_all() -> None:
    assert order(["shop/*"], ["shop/a", "other/a"], ["*/*"]) == [
        ("shop/*", []),
        ("other/a", []),
        ("*/*", ["shop/*", "other/a"]),
    ]


def test_intentions_of_equal_names_both_decide() -> None:
    assert order(["shop/a", "shop/a"]) == [("shop/a", []), ("shop/a", [])]


def rules(*intentions: Intention) -> dict[str, tuple[tuple[Requirements, ...], tuple[Requirements, ...]]]:
    (policy,) = policies_of(denials([intentions], OWNER, REST))
    assert (policy.action, policy.origin) == (Action.DENY, OWNER)
    return {rule.origin.path: (rule.sources, rule.unless) for rule in policy.rules}


def test_whom_none_is_about_is_denied_also_without_an_identity() -> None:
    refuses = Requirement(attribute=Attribute.SERVICE_ACCOUNT, refuses=(Exact("shop/a"),))
    assert rules(one("shop/a")) == {"spec.sources": (((refuses,),), ())}
    anybody = Requirement(attribute=Attribute.PRINCIPAL, refuses=(Present(),))
    assert rules(one("*/*")) == {"spec.sources": (((anybody,),), ())}
    assert rules() == {"spec.sources": (((),), ())}


def test_who_is_denied_is_not_who_is_decided_about_before() -> None:
    found = rules(one("shop/a"), one("shop/*", 1, allows=False))
    clients = (
        Requirement(attribute=Attribute.NAMESPACE, values=(Exact("shop"),)),
        Requirement(attribute=Attribute.SERVICE_ACCOUNT, refuses=(Exact("shop/a"),)),
    )
    assert found["spec.sources[1]"] == ((clients,), ())


def test_permissions_deny_what_none_allows_and_what_one_denies_first() -> None:
    at = "spec.sources[0].permissions"
    given = (
        Permission(allows=True, asks=ASKS, path=f"{at}[0]"),
        Permission(allows=False, asks=(), path=f"{at}[1]"),
        Permission(allows=True, asks=(), path=f"{at}[2]"),
    )
    found = rules(one("shop/a", permissions=given))
    assert found[f"{at}[1]"][1] == (ASKS,)
    assert found[at][1] == (ASKS, ())


def test_a_rule_that_two_destinations_share_is_about_the_clients_of_both() -> None:
    denied = one("*/*", 1, allows=False)
    both = [*denials([[one("shop/a")], [denied]], OWNER, REST), *denials([[one("shop/b")], [denied]], OWNER, REST)]
    (policy,) = policies_of(both)
    (shared,) = [rule for rule in policy.rules if rule.origin.path == "spec.sources[1]"]
    assert [part[1].refuses for part in shared.sources] == [(Exact("shop/a"),), (Exact("shop/b"),)]


@pytest.mark.parametrize("permissions", [None, ()])
def test_what_denies_has_no_allowance(permissions: tuple[Permission, ...] | None) -> None:
    found = rules(one("shop/a", allows=False, permissions=permissions))
    assert [unless for path, (_, unless) in found.items() if path != "spec.sources"] == [()]
