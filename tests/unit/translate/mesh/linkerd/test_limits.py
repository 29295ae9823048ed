"""What is counted at Servers."""

from __future__ import annotations

from typing import Any

from linkerdworlds import by, limits, server
from tandem.ir.limits import CountedBy, Key, RateLimit
from tandem.model.linkerd import HTTPLocalRateLimitPolicy
from tandem.model.world import World
from tandem.translate.mesh.linkerd.limits import read_server_limits

WEB = ("default", "web")
A, B = (f"spiffe://cluster.local/ns/default/sa/{name}" for name in "ab")


def read(*policies: HTTPLocalRateLimitPolicy) -> tuple[RateLimit | None, list[tuple[str, str]]]:
    found, problems = read_server_limits(World.of([server(), *policies]), "cluster.local")
    return found.get(WEB), [(p.code, p.at.name) for p in problems]


def override(requests: int, *names: str) -> Any:
    return {"requestsPerSecond": requests, "clientRefs": [by("ServiceAccount", name) for name in names]}


def test_the_total_comes_first_then_those_with_a_limit_of_their_own_then_each_other_identity() -> None:
    spec: Any = {
        "total": {"requestsPerSecond": 100},
        "identity": {"requestsPerSecond": 10},
        "overrides": [override(50, "b", "a")],
    }
    found, problems = read(limits(**spec))
    assert found is not None
    first, own, last = found.limits
    assert [(one.requests, one.seconds, one.burst, one.origin.path) for one in found.limits] == [
        (100, 1, 100, "spec.total"),
        (50, 1, 50, "spec.overrides[0]"),
        (10, 1, 10, "spec.identity"),
    ]
    assert (first.clients, own.clients, last.others) == ((), (A, B), (A, B))
    assert (own.by, last.by) == ((), (CountedBy(key=Key.SERVICE_ACCOUNT),))
    assert (found.retry_after, problems) == (False, [])


def test_who_is_named_twice_has_the_limit_that_is_named_last() -> None:
    found, _ = read(limits(overrides=[override(1, "a"), override(2, "a", "b"), override(3, "b")]))
    assert found is not None
    assert [(one.requests, one.clients) for one in found.limits] == [(2, (A,)), (3, (B,))]


def test_a_server_has_one_policy_and_must_be_there() -> None:
    total = {"requestsPerSecond": 1}
    found, problems = read(limits("a", total=total), limits("b", total=total), limits("c", "gone", total=total))
    assert found is not None
    assert found.origin.name == "a"
    assert problems == [("Conflicted", "b"), ("TargetNotFound", "c")]
