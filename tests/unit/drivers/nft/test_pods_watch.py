"""Whose transaction it was, pod by pod; with a kernel: tests/contract/test_nft_pods_watch.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.drivers.nft import pods_watch
from tandem.drivers.nft.pods_watch import KernelPodsWatch, PodChange
from tandem.drivers.nft.watch import UNKNOWN, Change
from unit.drivers.nft.test_watch_wire import generation_of, removed
from unit.drivers.test_pods_socket import Numbered

CHANGE = Change(things=("rule of chain mesh-out removed",), process="nft", pid=7)
OURS = removed("mesh-out", b"tandem\0")


@pytest.fixture(autouse=True)
def without_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods_watch, "PodsSocket", Numbered)


@pytest.fixture
def pod(tmp_path: Path) -> str:
    (tmp_path / "a").touch()
    return str(tmp_path / "a")


def heard(watch: KernelPodsWatch, pod: str, *chunks: bytes) -> list[PodChange]:
    """What is told of one transaction in the namespace."""
    for chunk in (*chunks, generation_of(8, "nft", 7)):
        watch._hear(pod, chunk)
    found, watch._found = watch._found, []
    return found


def test_each_transaction_of_ours_is_told_once_and_what_is_told_beyond_it_is_somebody_elses(pod: str) -> None:
    watch = KernelPodsWatch(("tandem",))
    for _ in range(2):
        watch.own(pod, "tandem", lambda: None)
    theirs = PodChange(netns=pod, table="tandem", change=CHANGE)
    assert [heard(watch, pod, OURS) for _ in range(3)] == [[], [], [theirs]]


def test_what_concerns_no_table_of_ours_is_not_told_and_not_taken_for_ours(pod: str) -> None:
    watch = KernelPodsWatch(("tandem",))
    watch.own(pod, "tandem", lambda: None)
    assert heard(watch, pod, removed("mesh-out", b"other\0")) == []
    assert heard(watch, pod, OURS) == []
    assert heard(watch, pod, OURS) != []


def test_nothing_is_told_of_a_namespace_that_is_not_followed(pod: str) -> None:
    watch = KernelPodsWatch(("tandem",))
    watch.own(pod, "tandem", lambda: None)
    assert heard(watch, f"{pod}-other", OURS) == []
    watch.leave(pod)
    assert heard(watch, pod, OURS) == []


def test_in_another_namespace_by_the_same_path_nothing_is_due(pod: str) -> None:
    watch = KernelPodsWatch(("tandem",))
    watch.own(pod, "tandem", lambda: None)
    Path(pod).rename(f"{pod}-before")  # keeps its inode
    Path(pod).touch()
    watch.own(pod, "tandem", lambda: None)
    theirs = PodChange(netns=pod, table="tandem", change=CHANGE)
    assert [heard(watch, pod, OURS) for _ in range(2)] == [[], [theirs]]


def test_after_a_loss_every_table_of_ours_may_have_been_changed_and_nothing_is_due(pod: str) -> None:
    watch = KernelPodsWatch(("tandem", "tandem-policy"))
    watch.own(pod, "tandem", lambda: None)
    watch._overrun()
    unknown = PodChange(netns=pod, table="tandem", change=Change(things=(UNKNOWN,)))
    assert heard(watch, pod, OURS) == [unknown, PodChange(netns=pod, table="tandem", change=CHANGE)]
