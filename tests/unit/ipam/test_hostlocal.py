"""A directory of host-local as files; beside the plugin itself it is tests/contract/test_hostlocal.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.ipam.hostlocal import HostLocal

KEY = (ContainerId("c"), "eth0")


def test_files_that_are_no_addresses_are_passed_over(tmp_path: Path) -> None:
    for name, text in {"lock": "", "last_reserved_ip.0": "10.0.0.9", "10.0.0.2": "c\r\neth0", "fd00::2": "d"}.items():
        (tmp_path / name).write_bytes(text.encode())
    assert HostLocal(tmp_path).held() == {"10.0.0.2": KEY, "fd00::2": (ContainerId("d"), "")}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "10.0.0.3").mkdir()
    with pytest.raises(DriverError, match=r"/10\.0\.0\.3: Is a directory"):
        HostLocal(tmp_path).held()


def test_what_comes_and_goes_is_seen(tmp_path: Path) -> None:
    directory = HostLocal(tmp_path)
    assert directory.held() == {}
    assert directory.take("10.0.0.2", KEY)
    assert directory.held() == {"10.0.0.2": KEY}
    assert directory.give_back("10.0.0.2", KEY)
    assert directory.held() == {}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lock"]


def test_an_address_is_taken_once_and_again_by_the_same_container(tmp_path: Path) -> None:
    directory = HostLocal(tmp_path)
    assert directory.take("10.0.0.2", KEY)
    assert directory.take("10.0.0.2", KEY)
    assert not directory.take("10.0.0.2", (ContainerId("d"), "eth0"))


def test_only_the_containers_own_file_is_removed(tmp_path: Path) -> None:
    directory = HostLocal(tmp_path)
    directory.take("10.0.0.2", KEY)
    assert not directory.give_back("10.0.0.2", (ContainerId("d"), "eth0"))
    assert not directory.give_back("10.0.0.3", KEY)
    assert directory.held() == {"10.0.0.2": KEY}


def test_a_directory_that_is_gone_is_named(tmp_path: Path) -> None:
    directory = HostLocal(tmp_path / "gone")
    with pytest.raises(DriverError, match="gone: No such file"):
        directory.held()
    with pytest.raises(DriverError, match="gone: No such file"):
        directory.take("10.0.0.2", KEY)
