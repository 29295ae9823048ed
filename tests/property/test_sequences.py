"""However a state is reached, it is the same: output has no memory, and plans lead to nothing but what is desired."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from nodeviews import view_of
from property.worlds import NAMES, budget, histories, replays
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import apply, plan
from tandem.model.world import World
from tandem.state import nft

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


@settings(max_examples=budget(60), suppress_health_check=SLOW)
@given(histories())
def test_every_way_through_a_history_ends_in_the_state_that_a_jump_to_its_end_makes(history: list[World]) -> None:
    made = {id(world): compile_nft(view_of(world, names=NAMES)) for world in history}
    states = [made[id(world)] for world in history]
    for way, steps in replays(states, compile_nft(view_of(World.of(())))).items():
        state: nft.Ruleset | None = None
        for step in steps:
            state = apply(plan(state, step), state)
        assert state == apply(plan(None, steps[-1]), None), way
        assert not plan(state, steps[-1]), way


@settings(max_examples=budget(40), suppress_health_check=SLOW)
@given(histories())
def test_what_is_compiled_of_a_world_does_not_depend_on_those_before_it(history: list[World]) -> None:
    """Translation and compilation keep what they have made: in another order they must say the same."""
    forwards = [compile_nft(view_of(world, names=NAMES)) for world in history]
    backwards = [compile_nft(view_of(world, names=NAMES)) for world in history[::-1]]
    assert forwards == backwards[::-1]
    fresh = [compile_nft(view_of(World.of(tuple(world.objects())), names=NAMES)) for world in history]
    assert forwards == fresh
