"""Every object as one value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import endpoint_slice, namespace, pod, policy, service, world
from meshworlds import vs
from tandem.model import core
from tandem.model.istio import VirtualService
from tandem.model.meta import Object
from tandem.model.policy import NetworkPolicy
from tandem.model.world import World
from working import calls_of


def test_a_world_of_objects_is_synced_and_an_empty_one_is_not() -> None:
    assert world(pod("a")).synced
    assert not World().synced


def test_objects_are_found_by_kind_namespace_and_name() -> None:
    one = pod("a", namespace="shop")
    found = world(one, pod("a"))
    assert found.get(core.Pod, "shop", "a") is one
    assert found.get(core.Pod, "shop", "b") is None
    assert found.get(core.Service, "shop", "a") is None
    assert [p.key for p in found.sorted(core.Pod)] == [("default", "a"), ("shop", "a")]


def test_the_oldest_comes_first_and_of_one_second_the_first_by_name() -> None:
    objects = [vs(name, created=f"2026-01-01T00:00:0{s}Z") for name, s in (("a", 2), ("c", 1), ("b", 1), ("d", 3))]
    assert [v.metadata.name for v in world(*objects).oldest_first(VirtualService)] == ["b", "c", "a", "d"]


def test_with_kind_makes_a_new_world_and_leaves_the_old_one() -> None:
    before = world(pod("a"), policy("p"))
    after = before.with_kind("Pod", {}, synced=True)
    assert after.all(core.Pod) == {}
    assert after.all(NetworkPolicy) == before.all(NetworkPolicy)
    assert len(before.all(core.Pod)) == 1


def test_all_objects_come_in_the_order_of_kinds_then_names() -> None:
    found = world(policy("p"), pod("b"), pod("a"), namespace("default"))
    assert [(o.kind, o.metadata.name) for o in found.objects()] == [
        ("Namespace", "default"),
        ("Pod", "a"),
        ("Pod", "b"),
        ("NetworkPolicy", "p"),
    ]


def test_every_namespace_has_its_name_as_a_label_also_without_a_manifest() -> None:
    labels = world(namespace("shop", team="a"), pod("x", namespace="other")).namespace_labels
    assert labels == {
        "shop": {"team": "a", "kubernetes.io/metadata.name": "shop"},
        "other": {"kubernetes.io/metadata.name": "other"},
    }


def test_a_namespace_cannot_claim_another_name() -> None:
    claims = namespace("shop", **{"kubernetes.io/metadata.name": "bank"})
    assert world(claims).namespace_labels["shop"]["kubernetes.io/metadata.name"] == "shop"


def test_slices_are_found_by_their_service_in_order() -> None:
    web = service("web")
    found = world(web, endpoint_slice(web, [], name="web-2"), endpoint_slice(web, [], name="web-1"))
    assert [s.metadata.name for s in found.slices_by_service["default", "web"]] == ["web-1", "web-2"]


def test_pods_are_found_by_uid_and_by_each_address() -> None:
    one = pod("a", ip=("10.244.0.2", "fd00::2"))
    found = world(one)
    assert found.pods_by_uid == {"uid-default-a": one}
    assert [found.pod_at(address) for address in ("10.244.0.2", "fd00::2", "10.244.0.3")] == [one, one, None]


def test_the_address_of_a_finished_pod_is_nobodys() -> None:
    """It may be another pod's by now."""
    assert world(pod("a", ip="10.244.0.2", phase="Succeeded")).pod_at("10.244.0.2") is None
    assert world(pod("a", ip="10.244.0.2", host_network=True)).pod_at("10.244.0.2") is None


LOOKED_UP = ("population", "namespace_labels", "slices_by_service", "pods_by_uid", "claims")
NAMES = st.sampled_from(("a", "b", "c"))
SPACES = st.sampled_from(("shop", "bank"))


def slice_of(name: str, space: str, of: str) -> core.EndpointSlice:
    return endpoint_slice(service(of, ns=space), [], name=name)


OBJECTS = st.one_of(
    st.builds(
        lambda n, s, app, ip: pod(n, namespace=s, app=app, ip=f"10.244.0.{ip}"), NAMES, SPACES, NAMES, st.integers(2, 4)
    ),
    st.builds(lambda s, team: namespace(s, team=team), SPACES, NAMES),
    st.builds(slice_of, NAMES, SPACES, NAMES),
)
STEPS = st.lists(st.lists(st.tuples(OBJECTS, st.booleans()), min_size=1, max_size=4), max_size=6)


@given(STEPS, st.sets(st.sampled_from(LOOKED_UP)))
def test_changes_make_the_world_that_the_objects_make(steps: list[list[tuple[Object, bool]]], early: set[str]) -> None:
    """Whatever was looked up before is what it would be in a World that was made of the objects at once."""
    objects: dict[tuple[str, str, str], Object] = {}
    found = World()
    for step in steps:
        for name in early:
            getattr(found, name)
        for kind in sorted({obj.kind for obj, _ in step}):
            changed = {obj.key: obj if there else None for obj, there in step if obj.kind == kind}
            found = found.with_changes(kind, changed, synced=True)
            objects.update({(kind, *key): obj for key, obj in changed.items() if obj is not None})
            for key, obj in changed.items():
                if obj is None:
                    objects.pop((kind, *key), None)
    whole = World.of(objects.values())
    assert list(found.objects()) == list(whole.objects())
    for name in LOOKED_UP:
        assert getattr(found, name) == getattr(whole, name), name


@pytest.mark.parametrize("name", LOOKED_UP)
def test_what_was_looked_up_costs_what_changed(name: str) -> None:
    def work(count: int) -> int:
        found = world(*(pod(f"p{n}", ip=f"10.244.{n >> 8}.{n & 255}") for n in range(count)), namespace("default"))
        getattr(found, name)
        found = found.with_changes("Pod", {("default", "p0"): None}, synced=True)
        changed = {("default", "p1"): pod("p1", ip="10.245.0.1", app="x")}
        return calls_of(lambda: getattr(found.with_changes("Pod", changed, synced=True), name))

    assert work(400) <= work(100) + 40


def test_a_change_of_one_kind_leaves_the_others_the_very_same() -> None:
    before = world(pod("a"), policy("p"), namespace("default"))
    labels = before.namespace_labels
    after = before.with_changes("Pod", {("default", "a"): pod("a", app="web")}, synced=True)
    assert after.all(NetworkPolicy) is before.all(NetworkPolicy)
    assert after.namespace_labels is labels
    assert before.all(core.Pod)["default", "a"].metadata.labels == {}
