"""What only a request has, and what is left of rules of which part is known."""

from __future__ import annotations

import pytest

from tandem.base.problems import Origin
from tandem.ir.authz import (
    REQUEST,
    Action,
    Attribute,
    AuthzPolicy,
    AuthzRule,
    Requirement,
    Requirements,
    holds_at,
    settled,
)
from tandem.ir.match import Exact

AT = Origin(kind="AuthorizationPolicy", name="p")
PORT, SNI = (Requirement(attribute=a, values=(Exact("80"),)) for a in (Attribute.PORT, Attribute.SNI))


def test_what_a_connection_has_is_not_of_a_request() -> None:
    assert {Attribute.PRINCIPAL, Attribute.PORT, Attribute.SNI}.isdisjoint(REQUEST)


def test_a_rule_that_can_never_hold_is_left_out_and_its_policy_stays() -> None:
    def settle(part: Requirements) -> Requirements | None:
        return None if PORT in part else part

    rules = (
        AuthzRule(operations=((PORT,), (SNI,)), origin=AT),
        AuthzRule(operations=((PORT,),), origin=AT),
        AuthzRule(when=(PORT,), origin=AT),
        AuthzRule(origin=AT),
    )
    policy = AuthzPolicy(action=Action.ALLOW, rules=rules, origin=AT)
    assert settled(policy, settle).rules == (AuthzRule(operations=((SNI,),), origin=AT), AuthzRule(origin=AT))
    assert settled(AuthzPolicy(action=Action.ALLOW, rules=rules[1:3], origin=AT), settle).rules == ()


@pytest.mark.parametrize(
    ("values", "refuses", "holds"), [("80", "", True), ("81", "", False), ("", "80", False), ("", "81", True)]
)
def test_a_port_is_one_of_those_and_none_of_these(values: str, refuses: str, *, holds: bool) -> None:
    asked = Requirement(
        attribute=Attribute.PORT,
        values=(Exact(values),) if values else (),
        refuses=(Exact(refuses),) if refuses else (),
    )
    assert holds_at(asked, 80) is holds
