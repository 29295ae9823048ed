"""What the reference makes of Canaries, said once more by hand."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from meshworlds import canary, dr
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.request import Request, RouteDecision
from tandem.reference.routes import decide

HTTP = [{"name": "http", "port": 80}]
SERVICES = tuple(service(n, ip=f"10.96.0.{i}", ports=HTTP) for i, n in enumerate(("web", "web-v1", "web-v2"), 1))


def asked(*objects: Object, **headers: str) -> RouteDecision:
    request = Request(source_namespace="default", namespace="default", service="web", port=80, headers=headers)
    return decide(World.of([*SERVICES, *objects]), request)


def shares(*objects: Object, **headers: str) -> dict[str, int]:
    return {s.subset or s.service: s.weight for s in asked(*objects, **headers).backends}


def test_the_plain_service_is_divided_and_the_steps_say_by_whom() -> None:
    found = asked(canary(status={"weight": 20}))
    assert [(s.service, s.weight) for s in found.backends] == [("web-v1", 4), ("web-v2", 1)]
    assert found.steps[-1].text == "20% of what goes to Service default/web is the canary's"


MATCH: list[dict[str, Any]] = [
    {"headers": [{"name": "x-group", "value": "beta"}], "cookies": [{"name": "who", "type": "Present"}]}
]


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x-group": "beta", "cookie": "a=b; who=me"}, {"web-v2": 1}),
        ({"x-group": "beta"}, {"web-v1": 1}),
        ({"x-group": "alpha", "cookie": "who=me"}, {"web-v1": 1}),
    ],
)
def test_of_ab_both_must_hold(headers: dict[str, str], found: dict[str, int]) -> None:
    assert shares(canary(match=MATCH, status={"weight": 100}), **headers) == found


def test_subsets_carry_their_labels() -> None:
    parts = dr("web", host="web", subsets=[{"name": n, "labels": {"version": n}} for n in ("v1", "v2")])
    made = canary(stable={"subset": "v1"}, canary={"subset": "v2"}, status={"weight": 50})
    assert [s.labels for s in asked(parts, made).backends] == [{"version": "v1"}, {"version": "v2"}]
    assert shares(made) == {"web": 1}


def test_one_whose_new_version_is_missing_gives_everything_to_the_stable_one() -> None:
    assert shares(canary(canary={"service": "gone"}, status={"weight": 50})) == {"web-v1": 1}


def test_a_younger_one_of_the_same_service_is_not_applied() -> None:
    old = canary("web", created="2026-01-01T00:00:00Z", status={"weight": 50})
    new = canary("web-v2", created="2026-02-01T00:00:00Z", service="web", stable={"service": "x"}, status={"weight": 9})
    assert shares(old, new) == {"web-v1": 1, "web-v2": 1}
