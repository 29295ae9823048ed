"""All of them together; that they are those of the whole is shown in tests/property/test_controllers.py."""

from __future__ import annotations

import pytest

from builders import node, pod, policy
from tandem.cluster.live.controllers import Controllers
from tandem.cluster.networks import PODS
from tandem.cluster.space import Known
from tandem.cluster.writes import Create
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from working import calls_of


def settled(count: int) -> tuple[Controllers, World]:
    """So many pods on as many nodes as ten of them need, and blocks for those."""
    controllers, world = Controllers(PODS), World(synced=True)
    made: list[Object] = [node(f"n{n}") for n in range(count // 10)]
    made += (pod(f"p{n}", node=f"n{n % (count // 10)}") for n in range(count))
    for obj in made:
        world = world.with_changes(obj.kind, {obj.key: obj}, synced=True)
    for turn in range(4):
        for write in controllers.update(world, Known(seed=str(turn)), now=1.0):
            if isinstance(write, Create):
                obj = parse(write.raw)
                world = world.with_changes(obj.kind, {obj.key: obj}, synced=True)
    return controllers, world


@pytest.mark.parametrize("changed", [pod("p1", node="n1", app="x"), policy("p")])
def test_a_change_costs_what_it_is_about_and_not_all_pods_and_nodes(changed: Object) -> None:
    def work(count: int) -> int:
        controllers, world = settled(count)
        later = world.with_changes(changed.kind, {changed.key: changed}, synced=True)
        return calls_of(lambda: controllers.update(later, Known(seed="new"), now=2.0))

    assert work(160) <= work(40) + 60


def test_an_id_is_never_made_of_the_same_chance_twice() -> None:
    controllers, world = Controllers(PODS), World(synced=True)
    assert controllers.update(world, Known(seed="a"), now=1.0)
    seeds = []
    for seed in ("b", "c"):
        controllers.update(world, Known(seed=seed), now=1.0)
        seeds.append(controllers._known)
    assert seeds == [None, None]
