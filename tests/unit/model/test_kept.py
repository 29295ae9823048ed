"""Functions of a World that run again when something that they found is another."""

from __future__ import annotations

from builders import endpoint_slice, namespace, pod, service, world
from tandem.model import core
from tandem.model.kept import Kept, KeptEach
from tandem.model.world import World

BASE = world(pod("a"), pod("b"), service("web"), namespace("default"))


def runs(function: object, *worlds: World) -> int:
    """How often it is run over these Worlds; each result must be that of the function itself."""
    count = 0

    def counted(found: World) -> object:
        nonlocal count
        count += 1
        return function(found)  # type: ignore[operator]

    kept = Kept(counted)
    for one in worlds:
        assert kept(one) == function(one)  # type: ignore[operator]
    return count


def changed(found: World, obj: core.Pod | core.Service | core.Namespace) -> World:
    return found.with_changes(obj.kind, {obj.key: obj}, synced=True)


def test_it_runs_once_while_nothing_that_it_found_changed() -> None:
    assert runs(lambda w: [p.key for p in w.sorted(core.Pod)], BASE, BASE, changed(BASE, service("other"))) == 1


def test_all_of_a_kind_is_looked_at_again_when_one_of_it_changes() -> None:
    assert runs(lambda w: [p.metadata.labels for p in w.sorted(core.Pod)], BASE, changed(BASE, pod("b", app="x"))) == 2


def test_a_single_object_is_noted_alone_also_when_it_is_not_there() -> None:
    def find(found: World) -> object:
        return found.get(core.Pod, "default", "a"), found.get(core.Pod, "default", "c")

    assert runs(find, BASE, changed(BASE, pod("b", app="x"))) == 1
    assert runs(find, BASE, changed(BASE, pod("c"))) == 2


def test_what_is_looked_up_by_other_names_is_noted_too() -> None:
    web = service("web")
    sliced = BASE.with_changes("EndpointSlice", {("default", "w"): endpoint_slice(web, [], name="w")}, synced=True)
    assert runs(lambda w: w.slices_by_service.get(("default", "web")), BASE, sliced) == 2
    assert runs(lambda w: w.pods_by_uid.get("uid-default-a"), BASE, changed(BASE, pod("b", app="x"))) == 1
    assert runs(lambda w: w.pods_by_uid.get("uid-default-b"), BASE, changed(BASE, pod("b", app="x"))) == 2
    assert runs(lambda w: w.pod_at("10.9.9.9"), BASE, changed(BASE, pod("b", ip="10.9.9.9"))) == 2
    assert runs(lambda w: dict(w.namespace_labels["default"]), BASE, changed(BASE, namespace("default", a="b"))) == 2
    assert runs(lambda w: len(w.namespace_labels), BASE, changed(BASE, namespace("more"))) == 2
    assert runs(lambda w: list(w.all(core.Pod).values()), BASE, changed(BASE, pod("c"))) == 2


def test_another_argument_runs_it_again() -> None:
    kept = Kept(lambda found, more: (len(found.all(core.Pod)), more))
    first, second = object(), object()
    assert kept(BASE, first) is kept(BASE, first)
    assert kept(BASE, second) == (2, second)


def test_of_many_things_only_those_are_done_anew_that_found_something_else() -> None:
    """And what one of them found is noted for the whole."""
    done: list[str] = []

    def labels(found: World, name: str) -> object:
        done.append(name)
        one = found.get(core.Pod, "default", name)
        return one.metadata.labels if one is not None else None

    each, names = KeptEach(labels), ("a", "b")

    def whole(found: World, asked: tuple[str, ...]) -> list[object]:
        each.begin()
        return [each(name, found, name) for name in asked]

    kept, later = Kept(whole), changed(BASE, pod("b", app="x"))
    assert kept(BASE, names) == [{}, {}]
    assert kept(BASE, names) == [{}, {}]
    assert kept(later, names) == [{}, {"app": "x"}]
    assert done == ["a", "b", "b"]
    assert kept(later, ("a",)) == [{}]
    assert kept(later, names) == [{}, {"app": "x"}]
    assert done == ["a", "b", "b", "b"]


def test_of_a_world_that_notes_nothing_nothing_is_kept() -> None:
    each = KeptEach(lambda found, name: found.get(core.Pod, "default", name))
    assert each("a", BASE, "a") is BASE.get(core.Pod, "default", "a")
    assert each("a", changed(BASE, pod("a", app="x")), "a") == pod("a", app="x")
