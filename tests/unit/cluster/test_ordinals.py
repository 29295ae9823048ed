"""The order in which pods of a StatefulSet come, go and are replaced."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tandem.cluster.ordinals import Seat, Step, step
from tandem.model.stateful import StatefulSetOrdinals, StatefulSetSpec, StatefulSetUpdateStrategy

WELL, OLD, ILL = Seat(updated=True, well=True), Seat(updated=False, well=True), Seat(updated=True, well=False)
ENDED, LEAVING = Seat(updated=True, well=False, ended=True), Seat(updated=True, well=True, leaving=True)
THREE = StatefulSetSpec(replicas=3)
PARALLEL = StatefulSetSpec(replicas=3, pod_management_policy="Parallel")


def test_pods_come_one_after_another_each_when_the_one_before_is_well() -> None:
    assert step(THREE, {}) == Step(create=(0,))
    assert step(THREE, {0: ILL}) == Step()
    assert step(THREE, {0: WELL}) == Step(create=(1,))
    assert step(THREE, {0: WELL, 2: WELL}) == Step(create=(1,))
    assert step(THREE, {0: LEAVING, 1: WELL}) == Step()


def test_in_parallel_nobody_waits() -> None:
    assert step(PARALLEL, {1: ILL}) == Step(create=(0, 2))
    assert step(PARALLEL, {0: WELL, 1: WELL, 2: WELL, 3: WELL, 4: ILL}) == Step(delete=(4, 3))


def test_counting_begins_where_it_is_told() -> None:
    moved = StatefulSetSpec(replicas=2, ordinals=StatefulSetOrdinals(start=4), pod_management_policy="Parallel")
    assert step(moved, {0: WELL}) == Step(create=(4, 5), delete=(0,))


def test_surplus_pods_go_from_the_last_on_one_at_a_time_when_the_others_are_well() -> None:
    one = StatefulSetSpec(replicas=1)
    assert step(one, {0: WELL, 1: WELL, 2: ILL}) == Step(delete=(2,))
    assert step(one, {0: WELL, 1: WELL, 2: LEAVING}) == Step()
    assert step(one, {0: ILL, 1: WELL}) == Step()


def test_a_pod_that_ran_to_its_end_makes_room_for_another() -> None:
    assert step(THREE, {0: WELL, 1: ENDED}) == Step(delete=(1,))
    assert step(PARALLEL, {0: ENDED, 1: WELL, 2: WELL}) == Step(delete=(0,))


def test_an_update_begins_with_the_last_and_waits_for_each() -> None:
    assert step(THREE, {0: OLD, 1: OLD, 2: OLD}) == Step(delete=(2,))
    assert step(THREE, {0: OLD, 1: OLD, 2: WELL}) == Step(delete=(1,))
    assert step(PARALLEL, {0: OLD, 1: OLD, 2: ILL}) == Step()
    assert step(PARALLEL, {0: OLD, 1: OLD, 2: LEAVING}) == Step()


def test_on_delete_leaves_older_pods_alone() -> None:
    kept = StatefulSetSpec(replicas=2, update_strategy=StatefulSetUpdateStrategy(type="OnDelete"))
    assert step(kept, {0: OLD, 1: OLD}) == Step()


@given(
    replicas=st.integers(0, 4),
    start=st.integers(0, 2),
    policy=st.sampled_from(["Parallel", "OrderedReady"]),
    seats=st.dictionaries(st.integers(0, 6), st.sampled_from([WELL, OLD, ILL, ENDED])),
)
def test_every_beginning_comes_to_rest_with_the_wanted_pods(
    replicas: int, start: int, policy: str, seats: dict[int, Seat]
) -> None:
    spec = StatefulSetSpec(
        replicas=replicas,
        ordinals=StatefulSetOrdinals(start=start),
        pod_management_policy=policy,
    )
    for _ in range(60):
        todo = step(spec, seats)
        assert set(todo.create).isdisjoint(seats)
        assert set(todo.delete) <= seats.keys()
        assert policy == "Parallel" or len(todo.create) + len(todo.delete) <= 1
        kept = {n: WELL if s is ILL else s for n, s in seats.items() if n not in todo.delete}
        after = kept | dict.fromkeys(todo.create, ILL)
        if after == seats:
            break
        seats = after
    assert seats == dict.fromkeys(range(start, start + replicas), WELL)
