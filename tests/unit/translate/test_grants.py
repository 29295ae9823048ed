"""Which references to another namespace are permitted (GEP-709)."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tandem.model.gateways import ReferenceGrant
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.grants import Referrer, Target, permitted

GROUP = "gateway.networking.k8s.io"
ROUTE = {"group": GROUP, "kind": "HTTPRoute", "namespace": "shop"}
SERVICE = {"group": "", "kind": "Service"}


def grant(ns: str = "other", *, from_: Any = ROUTE, to: Any = SERVICE, name: str = "g") -> ReferenceGrant:
    spec = {"from": [from_], "to": [to]}
    meta = {"name": name, "namespace": ns}
    raw = {"apiVersion": f"{GROUP}/v1", "kind": "ReferenceGrant", "metadata": meta, "spec": spec}
    return cast("ReferenceGrant", parse(raw))


def asked(*grants: ReferenceGrant, namespace: str = "other") -> bool:
    who = Referrer(group=GROUP, kind="HTTPRoute", namespace="shop")
    return permitted(World.of(grants), who, Target(kind="Service", namespace=namespace, name="web"))


def test_the_own_namespace_needs_no_grant() -> None:
    assert asked(namespace="shop")


@pytest.mark.parametrize("to", [SERVICE, {**SERVICE, "name": "web"}, {**SERVICE, "name": ""}])
def test_a_grant_for_all_or_for_this_one_permits(to: dict[str, str]) -> None:
    assert asked(grant(to=to))


@pytest.mark.parametrize(
    "found",
    [
        grant("shop"),
        grant("third"),
        grant(from_={**ROUTE, "namespace": "elsewhere"}),
        grant(from_={**ROUTE, "kind": "Gateway"}),
        grant(from_={**ROUTE, "group": "example.net"}),
        grant(to={**SERVICE, "name": "web2"}),
        grant(to={"group": "", "kind": "Secret"}),
        grant(to={"group": "example.net", "kind": "Service"}),
    ],
    ids=["our-own-namespace", "a-third", "from-elsewhere", "kind", "group", "name", "target-kind", "target-group"],
)
def test_a_grant_of_something_else_permits_nothing(found: ReferenceGrant) -> None:
    assert not asked(found)


def test_two_halves_in_two_grants_are_no_grant() -> None:
    one = grant(from_={**ROUTE, "namespace": "elsewhere"}, name="one")
    assert not asked(one, grant(to={"group": "", "kind": "Secret"}, name="two"))
