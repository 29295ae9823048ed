"""The pods of each node, kept up."""

from __future__ import annotations

from builders import namespace, node, pod
from tandem.model.world import World
from tandem.runtime.homes import Homes
from tandem.translate.live import Live
from tandem.translate.options import Options
from working import calls_of

WORLD = World.of([node("node-1"), node("node-2"), namespace("default")])


def with_pods(world: World, **nodes: str | None) -> World:
    changed = {("default", name): pod(name, node=on) if on else None for name, on in nodes.items()}
    return world.with_changes("Pod", changed, synced=True)


def test_pods_are_where_they_are_bound_through_every_change() -> None:
    live, homes = Live(Options()), Homes()
    first = live.translate(with_pods(WORLD, a="node-1", b="node-2", c="node-2"))
    assert set(homes.pods(first, "node-1")) == {"uid-default-a"}
    assert homes.pods(first, "node-2")["uid-default-b"] is first.pods["uid-default-b"]
    second = live.translate(with_pods(WORLD, a="node-1", b="node-1"))
    assert set(homes.pods(second, "node-1")) == {"uid-default-a", "uid-default-b"}
    assert homes.pods(second, "node-2") == {}
    assert homes.pods(second, "node-3") == {}


def test_a_change_costs_what_it_is_and_not_all_pods() -> None:
    def work(count: int) -> int:
        live, homes = Live(Options()), Homes()
        world = with_pods(WORLD, **{f"p{n}": f"node-{1 + n % 2}" for n in range(count)})
        homes.pods(live.translate(world), "node-1")
        later = live.translate(with_pods(world, p1="node-1"))
        return calls_of(lambda: homes.pods(later, "node-1"))

    assert work(200) <= work(50) + 4
