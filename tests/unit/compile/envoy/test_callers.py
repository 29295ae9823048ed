"""By which policies a caller calls."""

from __future__ import annotations

from tandem.compile.envoy.callers import among_of, policies_among, policy_among
from tandem.ir.traffic import CallersPolicy, LoadBalancer, Traffic, TrafficPolicy

TILL = (("app", "till"),)


def policy(lb: LoadBalancer, *callers: CallersPolicy, service: str = "web") -> TrafficPolicy:
    return TrafficPolicy(namespace="shop", service=service, traffic=Traffic(lb=lb), callers=callers)


FEW = CallersPolicy(namespace="bank", labels=TILL, policy=policy(LoadBalancer.RING_HASH))
BANK = CallersPolicy(namespace="bank", policy=policy(LoadBalancer.RANDOM))
WEB = policy(LoadBalancer.ROUND_ROBIN, FEW, BANK)
POLICIES = {"shop/web": WEB, "shop/api": policy(LoadBalancer.RANDOM, service="api")}


def test_a_caller_is_among_the_first_that_cover_it_and_others_among_none() -> None:
    few, bank = among_of(POLICIES, "bank", (*TILL, ("x", "1"))), among_of(POLICIES, "bank", (("app", "desk"),))
    assert among_of(POLICIES, "shop", TILL) == ()
    assert (bank, few[0][0]) == ((("shop/web", "bank"),), "shop/web")
    assert few != bank
    assert policy_among(WEB, few[0][1]) == FEW.policy
    assert policy_among(WEB, "bank") == BANK.policy


def test_without_rules_for_callers_nobody_is_among_any() -> None:
    assert among_of({"shop/api": POLICIES["shop/api"]}, "bank", TILL) == ()
    assert (policy_among(None, "bank"), policy_among(WEB, "")) == (None, WEB)
    assert policy_among(WEB, "gone") == WEB


def test_all_policies_as_a_caller_sees_them() -> None:
    seen = policies_among(POLICIES, (("shop/web", "bank"), ("shop/gone", "bank")))
    assert seen == {"shop/web": BANK.policy, "shop/api": POLICIES["shop/api"]}
