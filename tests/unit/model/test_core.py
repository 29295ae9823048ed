"""What pods and Secrets say of themselves."""

from __future__ import annotations

from typing import cast

from builders import pod
from tandem.model import core
from tandem.model.parse import parse


def test_a_host_network_pod_has_no_address_of_its_own() -> None:
    assert pod("a", ip="192.0.2.1", host_network=True).addresses == ()


def test_the_single_address_counts_where_the_list_is_missing() -> None:
    raw = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {"podIP": "10.0.0.1"}}
    assert cast("core.Pod", parse(raw)).addresses == ("10.0.0.1",)


def test_succeeded_and_failed_pods_are_finished() -> None:
    assert [pod("a", phase=p).finished for p in ("Pending", "Running", "Succeeded", "Failed")] == [
        False,
        False,
        True,
        True,
    ]


def test_only_the_ready_condition_makes_a_pod_ready() -> None:
    raw = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "status": {"conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "False"}]},
    }
    assert not cast("core.Pod", parse(raw)).ready
    raw["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert cast("core.Pod", parse(raw)).ready


def test_a_pod_with_a_deletion_time_is_terminating() -> None:
    raw = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert cast("core.Pod", parse(raw)).terminating
    assert not pod("a").terminating


def test_a_secret_does_not_show_its_data() -> None:
    raw = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}, "data": {"k": "aHVudGVy"}}
    assert repr(parse(raw)) == "Secret(n/s)"
