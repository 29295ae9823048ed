from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.cluster.rollout import Bounds, Member, bounds, step
from tandem.model import core


def spec(
    replicas: int, surge: core.IntOrString = "25%", unavailable: core.IntOrString = "25%", kind: str = "RollingUpdate"
) -> core.DeploymentSpec:
    rolling = core.RollingUpdate(max_surge=surge, max_unavailable=unavailable)
    return core.DeploymentSpec(replicas=replicas, strategy=core.DeploymentStrategy(type=kind, rolling_update=rolling))


def member(name: str, *, updated: bool = True, up: bool = True, created: str = "") -> Member:
    return Member(name=name, updated=updated, available=up, ready=up, created=created)


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "want"),
    [
        (10, "25%", "25%", Bounds(most=13, least=8)),
        (1, "25%", "25%", Bounds(most=2, least=1)),
        (4, 0, 0, Bounds(most=4, least=3)),
        (4, "0%", "10%", Bounds(most=4, least=3)),
        (3, 2, 1, Bounds(most=5, least=2)),
        (2, 0, "100%", Bounds(most=2, least=0)),
    ],
)
def test_surge_rounds_up_and_unavailable_rounds_down(
    replicas: int, surge: core.IntOrString, unavailable: core.IntOrString, want: Bounds
) -> None:
    assert bounds(spec(replicas, surge, unavailable)) == want


def test_scale_down_removes_the_not_ready_first_then_the_newest() -> None:
    pods = [
        member("old", created="2026-01-01T00:00:00Z"),
        member("new", created="2026-01-02T00:00:00Z"),
        member("broken", up=False, created="2025-01-01T00:00:00Z"),
    ]
    assert step(spec(2), pods, leaving_old=0).delete == ("broken",)
    assert step(spec(1), pods, leaving_old=0).delete == ("broken", "new")


def test_recreate_waits_for_the_last_old_pod() -> None:
    recreate = spec(2, kind="Recreate")
    assert step(recreate, [member("a", updated=False)], leaving_old=0).delete == ("a",)
    assert step(recreate, [], leaving_old=1).create == 0
    assert step(recreate, [], leaving_old=0).create == 2


def test_a_paused_deployment_makes_no_pod_of_a_new_template() -> None:
    paused = core.DeploymentSpec(replicas=2, paused=True)
    old = [member("a", updated=False), member("b", updated=False), member("c", updated=False)]
    got = step(paused, old, leaving_old=0)
    assert got.create == 0
    assert len(got.delete) == 1


@given(
    replicas=st.integers(0, 8),
    surge=st.one_of(st.integers(0, 4), st.sampled_from(["0%", "25%", "100%"])),
    unavailable=st.one_of(st.integers(0, 4), st.sampled_from(["0%", "25%", "100%"])),
    old=st.lists(st.booleans(), max_size=8),
    chance=st.randoms(use_true_random=False),
)
def test_a_rollout_keeps_its_bounds_and_ends(
    replicas: int, surge: core.IntOrString, unavailable: core.IntOrString, old: list[bool], chance: object
) -> None:
    wanted = spec(replicas, surge, unavailable)
    limits = bounds(wanted)
    pods = {f"old{i}": member(f"old{i}", updated=False, up=up) for i, up in enumerate(old)}
    for round_number in range(200):
        serving = sum(m.available for m in pods.values())
        got = step(wanted, list(pods.values()), leaving_old=0)
        for name in got.delete:
            del pods[name]
        for i in range(got.create):
            name = f"new{round_number}-{i}"
            pods[name] = member(name, up=False)
        if got.create:
            assert len(pods) <= limits.most
        assert sum(m.available for m in pods.values()) >= min(serving, limits.least)
        if not got.create and not got.delete and all(m.available for m in pods.values()):
            break
        waking = [n for n, m in pods.items() if not m.available and m.updated]
        if waking:
            name = chance.choice(waking)  # type: ignore[attr-defined]
            pods[name] = member(name)
    assert len(pods) == replicas
    assert all(m.updated for m in pods.values())
