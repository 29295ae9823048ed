"""Namespaces that cannot be entered or pinned; what works is in tests/contract/test_link_driver.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tandem.drivers.link import netns
from tandem.drivers.link.port import NetnsError


def test_a_path_that_is_not_there_is_named() -> None:
    with pytest.raises(NetnsError, match="'/no/such': No such file"):
        netns.open_netns("/no/such")


def test_a_file_that_is_no_namespace_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    handle = netns.open_netns(str(tmp_path / "file"))
    with pytest.raises(NetnsError, match=r"not a network namespace|Operation not permitted"):
        netns.enter(handle, str(tmp_path / "file"))
    os.close(handle)


def test_the_node_s_own_namespace_is_refused() -> None:
    own = "/proc/thread-self/ns/net"
    home = netns.open_netns(own)
    with pytest.raises(NetnsError, match="the node's own"), netns.inside(own, home=home):
        raise AssertionError("entered")
    os.close(home)


def test_a_file_that_is_not_mounted_on_is_no_pin(tmp_path: Path) -> None:
    (tmp_path / "c1").touch()
    assert not netns.is_pinned(tmp_path / "c1")
    assert not netns.is_pinned(tmp_path / "c2")


def test_releasing_removes_a_left_over_file_and_minds_nothing(tmp_path: Path) -> None:
    (tmp_path / "c1").touch()
    for _ in range(2):
        netns.unbind(tmp_path / "c1")
    assert list(tmp_path.iterdir()) == []


def test_a_pin_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(NetnsError):
        netns.bind("/no/such", tmp_path / "c1")
    assert list(tmp_path.iterdir()) == []
