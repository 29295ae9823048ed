"""Which headers are taken away."""

from __future__ import annotations

import re

import pytest

from meshbuild import attached
from tandem.base.problems import Origin
from tandem.compile.envoy.filters.spellings import NAME, disabled, per_route_spellings
from tandem.ir.authn import GivenKeys, JwtRule
from tandem.ir.authz import Action, Attribute, AuthzPolicy, AuthzRule, Requirement
from tandem.ir.mesh import Present

AT = Origin(kind="K", name="n")
RULE = JwtRule(issuer="i", keys=GivenKeys(""), claim_headers=(("X-User", "sub"),), origin=AT)
JUDGES = AuthzPolicy(
    action=Action.DENY,
    rules=(AuthzRule(when=(Requirement(attribute=Attribute.HEADER, name="x-a-b", values=(Present(),)),), origin=AT),),
    origin=AT,
)


def removed(name: str) -> bool:
    pod = attached("a", "10.0.0.1", authentication=(RULE,), authorization=(JUDGES,)).pod
    (mutation,) = per_route_spellings(pod.authorization, pod.authentication)[NAME]["mutations"]["request_mutations"]
    return re.fullmatch(mutation["remove_on_match"]["key_matcher"]["safe_regex"]["regex"], name) is not None


@pytest.mark.parametrize("name", ["x-user", "x_user", "x_a-b", "x-a_b", "x_a_b"])
def test_what_the_proxy_tells_and_other_spellings_of_what_rules_judge_are_removed(name: str) -> None:
    assert removed(name)


@pytest.mark.parametrize("name", ["x-a-b", "x-users", "user", "x-a", "x.user"])
def test_other_headers_stay(name: str) -> None:
    assert not removed(name)


def test_a_pod_of_which_nothing_is_judged_has_nothing_removed() -> None:
    assert per_route_spellings(()) == {}
    assert disabled()["name"] == NAME
