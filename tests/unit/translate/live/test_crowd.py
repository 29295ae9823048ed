"""Pods by what selectors see of them, and the addresses that selectors find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tandem.model.selectors import LabelSelector, matches
from tandem.translate.live.crowd import Crowd, Kin, KinKey
from tandem.translate.policy.draft import PodSelector
from tandem.translate.policy.select import address_group

WEB = PodSelector(namespace="shop", pods=LabelSelector(match_labels={"app": "web"}))
EVERY = PodSelector(namespaces=LabelSelector(match_labels={"team": "a"}))


def key(namespace: str = "shop", /, **labels: str) -> KinKey:
    return namespace, tuple(sorted(labels.items())), (), True


def names(kins: set[Kin]) -> set[str]:
    return {uid for kin in kins for uid in kin.members}


def test_a_selector_finds_those_that_are_there_and_those_that_come() -> None:
    crowd = Crowd()
    crowd.put("a", key(app="web"), ["10.0.0.1"])
    found = crowd.acquire(WEB)
    assert names(found.kins) == {"a"}
    crowd.put("b", key(app="web", tier="x"), ["10.0.0.2"])
    crowd.put("c", key("bank", app="web"), ["10.0.0.3"])
    crowd.put("d", key(app="db"), ["10.0.0.4"])
    assert names(found.kins) == {"a", "b"}
    crowd.put("d", key(app="web"), ["10.0.0.4"])
    crowd.drop("a")
    assert names(found.kins) == {"b", "d"}


def test_labels_of_a_namespace_change_what_is_found_in_it() -> None:
    crowd = Crowd()
    crowd.put("a", key(), ["10.0.0.1"])
    found = crowd.acquire(EVERY)
    assert names(found.kins) == set()
    crowd.label("shop", {"team": "a"})
    assert names(found.kins) == {"a"}
    crowd.label("shop", None)
    assert names(found.kins) == set()


def test_it_tells_once_which_selections_and_which_pods_are_found_otherwise() -> None:
    crowd = Crowd()
    found = crowd.acquire(WEB)
    crowd.put("a", key(app="web"), ["10.0.0.1"])
    dirty, fresh = crowd.take()
    assert (dirty, names(fresh)) == ({found}, {"a"})
    crowd.put("b", key(app="web"), ["10.0.0.2"])
    assert crowd.take() == (set(), set())
    crowd.reconsider(found)
    assert names(crowd.take()[1]) == {"a", "b"}


def test_a_selection_that_nobody_asks_for_is_forgotten() -> None:
    crowd = Crowd()
    crowd.put("a", key(app="web"), ["10.0.0.1"])
    one, same = crowd.acquire(WEB), crowd.acquire(WEB)
    assert one is same
    crowd.release(one)
    assert crowd.acquire(WEB) is one
    crowd.release(one)
    crowd.release(one)
    assert crowd.acquire(WEB) is not one
    assert crowd.kin_of("a") is not None


LABELS = st.dictionaries(st.sampled_from(("app", "tier")), st.sampled_from(("web", "db")), max_size=2)
ADDRESSES = st.lists(st.sampled_from(("10.0.0.1", "10.0.0.20", "10.0.0.3", "fd00::a", "fd00:0::1")), max_size=2)
PUT = st.tuples(st.sampled_from("abcd"), LABELS, ADDRESSES)


@given(st.lists(st.lists(st.one_of(PUT, st.sampled_from("abcd")), max_size=4), max_size=6))
def test_addresses_are_those_of_the_pods_that_are_found(
    steps: list[list[tuple[str, dict[str, str], list[str]] | str]],
) -> None:
    """One by one or sorted anew, with addresses that several pods claim."""
    crowd, pods = Crowd(), dict[str, tuple[dict[str, str], list[str]]]()
    found = crowd.acquire(WEB)
    crowd.group(found, 1)
    for number in range(100):  # so many that a change is small
        pods[f"x{number}"] = {"app": "web"}, [f"10.1.0.{number}"]
        crowd.put(f"x{number}", key(app="web"), [f"10.1.0.{number}"])
    for step in steps:
        for change in step:
            if isinstance(change, str):
                pods.pop(change, None)
                crowd.drop(change)
            else:
                uid, labels, addresses = change
                pods[uid] = labels, addresses
                crowd.put(uid, key(**labels), addresses)
        here = [a for labels, addresses in pods.values() for a in addresses if matches(WEB.pods, labels)]
        assert crowd.addresses(found) == address_group(WEB, here)
        assert all(crowd.has(found, a) == (a in address_group(WEB, here).addresses) for a in ("10.0.0.1", "fd00::1"))
