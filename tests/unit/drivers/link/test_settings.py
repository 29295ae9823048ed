"""Settings under a directory that stands for /proc/sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.drivers.link import settings
from tandem.drivers.link.settings import is_set, set_sysctls, write_settings

FORWARD = ("ipv4", "forwarding", "1")


@pytest.fixture
def sysctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "SYSCTL", tmp_path)
    folder = tmp_path / "net" / "ipv4" / "conf" / "eth0.5"
    folder.mkdir(parents=True)
    (folder / "forwarding").write_text("0\n")
    return folder


def test_a_setting_of_a_link_is_written_and_read(sysctl: Path) -> None:
    assert not is_set("eth0.5", FORWARD)
    write_settings("eth0.5", [FORWARD])
    assert (sysctl / "forwarding").read_text() == "1"
    assert is_set("eth0.5", FORWARD)


@pytest.mark.usefixtures("sysctl")
def test_a_link_that_is_gone_has_no_setting() -> None:
    assert not is_set("gone", FORWARD)


@pytest.mark.usefixtures("sysctl")
def test_a_family_that_the_kernel_lacks_is_passed_over() -> None:
    write_settings("eth0.5", [("ipv6", "accept_ra", "0")])


def test_settings_by_name_tell_what_they_were_and_a_dot_in_a_link_is_a_slash(sysctl: Path) -> None:
    wanted = {"net.ipv4.conf.eth0/5.forwarding": "1"}
    assert set_sysctls(wanted) == {"net.ipv4.conf.eth0/5.forwarding": "0"}
    assert set_sysctls(wanted) == {"net.ipv4.conf.eth0/5.forwarding": "1"}
    assert (sysctl / "forwarding").read_text() == "1"
