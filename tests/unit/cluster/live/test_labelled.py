"""Pods by label."""

from __future__ import annotations

from builders import pod
from tandem.cluster.live.labelled import Labelled
from working import calls_of

WEB = {"app": "web", "tier": "front"}


def test_pods_are_chosen_by_all_labels_of_a_selector_in_their_namespace() -> None:
    one, other = pod("b", labels=WEB), pod("a", labels=WEB)
    found = Labelled()
    for each in (one, other, pod("c", app="web"), pod("d", namespace="shop", labels=WEB)):
        found.put(each)
    assert found.chosen("default", WEB) == [other, one]
    assert found.chosen("default", {"app": "db"}) == []


def test_what_is_dropped_is_chosen_no_more() -> None:
    one, found = pod("b", labels=WEB), Labelled()
    found.put(one)
    found.drop(one)
    found.drop(one)
    assert found.chosen("default", WEB) == []


def test_it_looks_at_those_of_the_rarest_label_alone() -> None:
    def work(others: int) -> int:
        found = Labelled()
        found.put(pod("a", labels=WEB))
        for number in range(others):
            found.put(pod(f"p{number}", app="web"))
        return calls_of(lambda: found.chosen("default", WEB))

    assert work(100) == work(10)
