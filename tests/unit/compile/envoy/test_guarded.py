"""What rules say of ports and addresses of a gateway, settled for one port of one node."""

from __future__ import annotations

import msgspec
import pytest

from gatewaybuild import gateway, listener, port
from tandem.base.problems import Origin
from tandem.compile.envoy.guarded import guard_at, guard_of
from tandem.ir.authz import IDENTITY, Action, Attribute, AuthzPolicy, AuthzRule, Requirement
from tandem.ir.mesh import Exact
from tandem.ir.tlsterms import ClientProof, TlsTerms

AT = Origin(kind="AuthorizationPolicy", namespace="edge", name="p", path="spec.rules[0]")
V4, V6 = ("192.0.2.65", "2001:db8::65"), ("10.244.0.1", "fd00::1")


def need(attribute: Attribute, *values: str, no: tuple[str, ...] = ()) -> Requirement:
    return Requirement(attribute=attribute, values=tuple(map(Exact, values)), refuses=tuple(map(Exact, no)))


def settled(
    rule: AuthzRule, action: Action = Action.DENY, addresses: tuple[str, ...] = V4, hops: int = 0
) -> AuthzRule | None:
    """The rule as the port 80 has it; None if it is left out."""
    policy = AuthzPolicy(action=action, rules=(rule,), origin=AT)
    made = msgspec.structs.replace(gateway(addresses=addresses), authorization=(policy,), trusted_hops=hops)
    (found,) = guard_at(made, 80, V6).authorization
    assert (found.action, len(found.rules) < 2) == (action, True)
    return next(iter(found.rules), None)


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        (need(Attribute.PORT, "80"), True),
        (need(Attribute.PORT, "443", "80"), True),
        (need(Attribute.PORT, "443"), False),
        (need(Attribute.PORT, no=("443",)), True),
        (need(Attribute.PORT, no=("80",)), False),
        (need(Attribute.PORT, "80", no=("80",)), False),
    ],
)
def test_a_port_is_settled_wherever_a_rule_asks_for_it(asked: Requirement, holds: bool) -> None:  # noqa: FBT001
    method = need(Attribute.METHOD, "GET")
    bare = AuthzRule(operations=((method,),), origin=AT)
    assert settled(AuthzRule(operations=((asked, method),), origin=AT)) == (bare if holds else None)
    assert settled(AuthzRule(when=(asked,), origin=AT)) == (AuthzRule(origin=AT) if holds else None)


def test_what_cannot_hold_is_left_out_and_what_asks_nothing_more_holds_for_all() -> None:
    two = AuthzRule(operations=((need(Attribute.PORT, "443"),), (need(Attribute.PORT, "80"),)), origin=AT)
    assert settled(two) == AuthzRule(operations=((),), origin=AT)


def test_addresses_are_the_nodes_own_by_family() -> None:
    def own(action: Action, addresses: tuple[str, ...], *values: str) -> list[str]:
        found = settled(AuthzRule(when=(need(Attribute.LOCAL_ADDRESS, *values),), origin=AT), action, addresses)
        return [v.value for v in found.when[0].values if isinstance(v, Exact)] if found is not None else []

    assert own(Action.ALLOW, V4, "192.0.2.0/24") == ["10.244.0.1"]
    assert own(Action.ALLOW, V4, "2001:db8::65") == ["fd00::1"]
    assert own(Action.ALLOW, V4, "192.0.2.65", "2001:db8::/64") == ["10.244.0.1", "fd00::1"]
    assert own(Action.ALLOW, V4, "10.244.0.1") == []
    several = ("192.0.2.65", "192.0.2.66")
    assert own(Action.ALLOW, several, "192.0.2.65") == [], "nobody can tell them apart: what opens needs both"
    assert own(Action.DENY, several, "192.0.2.65") == ["10.244.0.1"], "what closes needs one"


def test_exceptions_are_the_other_way_round() -> None:
    several = ("192.0.2.65", "192.0.2.66")
    rule = AuthzRule(when=(need(Attribute.LOCAL_ADDRESS, no=("192.0.2.65",)),), origin=AT)
    for action, left in ((Action.ALLOW, 1), (Action.DENY, 0)):
        found = settled(rule, action, several)
        assert found is not None
        assert len(found.when[0].refuses) == left


def test_trusted_hops_speak_for_the_client() -> None:
    rule = AuthzRule(sources=((need(Attribute.CLIENT_ADDRESS, "10.0.0.1"),),), origin=AT)
    for hops, attribute in ((0, Attribute.CLIENT_ADDRESS), (1, Attribute.FORWARDED_ADDRESS)):
        found = settled(rule, hops=hops)
        assert found is not None
        assert found.sources[0][0].attribute is attribute


def test_it_stands_under_the_gateways_name() -> None:
    assert guard_of(gateway()).uid == "gateway/edge/edge"


@pytest.mark.parametrize("attribute", sorted(IDENTITY, key=str))
def test_what_a_certificate_says_that_nobody_verified_is_not_proved(attribute: Attribute) -> None:
    policy = AuthzPolicy(
        action=Action.ALLOW,
        rules=(
            AuthzRule(sources=((need(attribute, "a"),),), origin=AT),
            AuthzRule(sources=((need(attribute, no=("a",)),),), origin=AT),
        ),
        origin=AT,
    )
    for required, left in ((True, 2), (False, 1)):
        asked = ClientProof(roots_pem="PEM", required=required, lenient=not required)
        one = msgspec.structs.replace(listener("l", "*"), terms=TlsTerms(clients=asked))
        made = gateway(port(one, number=443, tls=True))
        (found,) = guard_at(msgspec.structs.replace(made, authorization=(policy,)), 443, V4).authorization
        assert len(found.rules) == left
        assert found.rules[-1].sources == (policy.rules[-1].sources if required else ((),))
