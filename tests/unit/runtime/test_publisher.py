"""What nodes are sent, kept up; that it is always all that they need is shown in tests/property/test_live.py."""

from __future__ import annotations

import msgspec
import pytest

from builders import namespace, node, pod, policy, service
from tandem.base.table import Table
from tandem.ir import wire
from tandem.ir.fabric import LocalPod
from tandem.ir.policy import AddressGroup, PolicySet
from tandem.model.world import World
from tandem.runtime.ledger import Resources
from tandem.runtime.publisher import GROUPS, PODS, SETS, Publisher
from tandem.translate.live import Live
from tandem.translate.options import Options

NODES = ("node-1", "node-2")
ALLOW = policy(
    "p",
    podSelector={"matchLabels": {"app": "db"}},
    ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}],
)
WORLD = World.of([node("node-1"), node("node-2"), namespace("default"), service("db"), ALLOW])
DB, WEB = pod("db", app="db", node="node-1"), pod("web", app="web", node="node-2")


def with_pods(world: World, **pods: object) -> World:
    changed = {("default", name): value for name, value in pods.items()}
    return world.with_changes("Pod", changed, synced=True)  # type: ignore[arg-type]


def test_a_new_node_is_told_every_type_and_then_what_changes() -> None:
    live, publisher = Live(Options()), Publisher()
    first = dict(publisher.update(live.translate(with_pods(WORLD, db=DB)), NODES))
    assert {name: set(news) for name, news in first.items()} == {name: set(wire.TYPES) for name in NODES}
    assert dict(publisher.update(live.translate(with_pods(WORLD, db=DB)), NODES)) == {}


def test_a_pod_that_joins_a_group_concerns_the_nodes_that_have_the_group() -> None:
    live, publisher = Live(Options()), Publisher()
    dict(publisher.update(live.translate(with_pods(WORLD, db=DB)), NODES))
    news = dict(publisher.update(live.translate(with_pods(WORLD, db=DB, web=WEB)), NODES))
    assert {name: set(changed) for name, changed in news.items()} == {"node-1": {GROUPS}, "node-2": {PODS}}
    (group,) = news["node-1"][GROUPS].values()
    decoded = wire.decode(GROUPS, group.value)
    assert isinstance(decoded, AddressGroup)
    assert decoded.addresses == WEB.addresses


def test_what_the_last_pod_of_a_node_needed_goes_with_it() -> None:
    live, publisher = Live(Options()), Publisher()
    dict(publisher.update(live.translate(with_pods(WORLD, db=DB)), NODES))
    news = dict(publisher.update(live.translate(WORLD), NODES))
    assert news == {"node-1": {GROUPS: Table(), SETS: Table(), PODS: Table()}}


def test_a_resource_says_which_objects_it_was_made_from() -> None:
    news = dict(Publisher().update(Live(Options()).translate(with_pods(WORLD, db=DB)), NODES))
    (sent,) = news["node-1"][SETS].values()
    assert sent.objects == {("NetworkPolicy", "default", "p")}
    assert isinstance(wire.decode(SETS, sent.value), PolicySet)
    assert sent.version == wire.version(sent.value)


def test_an_equal_value_is_not_encoded_again() -> None:
    live, publisher = Live(Options()), Publisher()
    translation = live.translate(with_pods(WORLD, db=DB))
    before = dict(publisher.update(translation, NODES))["node-1"][PODS]
    uid, local = next(iter(translation.pods.items()))
    assert isinstance(local, LocalPod)
    copy = msgspec.structs.replace(translation, pods=Table({uid: msgspec.structs.replace(local)}))
    assert dict(publisher.update(copy, NODES)) == {}
    assert list(before) == [uid]


def test_a_node_that_was_forgotten_is_new_when_it_comes_back() -> None:
    live, publisher = Live(Options()), Publisher()
    translation = live.translate(with_pods(WORLD, db=DB))
    dict(publisher.update(translation, NODES))
    publisher.forget("node-1")
    assert set(dict(publisher.update(translation, NODES))["node-1"]) == set(wire.TYPES)


def test_nodes_that_nothing_concerns_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    live, publisher = Live(Options()), Publisher()
    dict(publisher.update(live.translate(with_pods(WORLD, db=DB)), NODES))
    looked: list[str] = []
    news = publisher._news

    def noted(name: str) -> Resources:
        looked.append(name)
        return news(name)

    monkeypatch.setattr(publisher, "_news", noted)
    dict(publisher.update(live.translate(with_pods(WORLD, db=pod("db", app="db", tier="x", node="node-1"))), NODES))
    assert looked == ["node-1"]
