"""Policy from World to World; that it is always the translation of all is shown in tests/property/test_live.py."""

from __future__ import annotations

from builders import namespace, pod, policy, world
from tandem.base.table import changes
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.live.policy import LivePolicy
from tandem.translate.live.problems import Gathered
from tandem.translate.options import Options

ALLOW = policy(
    "p",
    podSelector={"matchLabels": {"app": "db"}},
    ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}],
)
BASE = world(
    namespace("default"), ALLOW, pod("db1", app="db"), pod("db2", app="db"), pod("web", app="web"), pod("x", app="x")
)


def live() -> LivePolicy:
    found = LivePolicy(Options(), Gathered())
    found.update(BASE)
    return found


def after(*objects: Object) -> World:
    found = BASE
    for obj in objects:
        found = found.with_changes(obj.kind, {obj.key: obj}, synced=True)
    return found


def test_a_pod_that_joins_a_group_changes_the_group_and_no_set() -> None:
    found = live()
    before = found.update(BASE)
    now = found.update(after(pod("x", app="web")))
    assert len(changes(before.groups, now.groups)) == 1
    assert now.sets is before.sets
    assert now.ingress is before.ingress


def test_a_policy_that_changes_changes_the_sets_of_the_pods_that_it_judges() -> None:
    found = live()
    before = found.update(BASE)
    edited = policy("p", podSelector={"matchLabels": {"app": "db"}})
    now = found.update(after(edited))
    assert set(changes(before.ingress, now.ingress)) == {"uid-default-db1", "uid-default-db2"}
    assert len(now.sets) == 1
    assert now.groups == {}


def test_a_status_that_is_written_changes_nothing() -> None:
    found = live()
    before = found.update(BASE)
    same = policy(
        "p",
        podSelector={"matchLabels": {"app": "db"}},
        ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}],
    )
    now = found.update(after(same))
    assert same is not ALLOW
    assert (now.sets, now.groups, now.ingress) == (before.sets, before.groups, before.ingress)
    assert now.sets is before.sets


def test_labels_move_a_pod_from_one_set_to_none() -> None:
    found = live()
    before = found.update(BASE)
    now = found.update(after(pod("db1", app="x")))
    assert set(changes(before.ingress, now.ingress)) == {"uid-default-db1"}
    assert "uid-default-db1" not in now.ingress
