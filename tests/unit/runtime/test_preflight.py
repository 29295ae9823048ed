"""What a machine must offer, told before anything is changed."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from tandem.compile.fabric import FABRICS
from tandem.runtime import preflight


@pytest.mark.root
def test_this_machine_has_everything() -> None:
    assert preflight.missing() == preflight.missing((4, 6)) == []


@pytest.mark.root
def test_a_kernel_without_ipv6_is_told_to_those_who_want_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "IF_INET6", tmp_path / "none")
    assert preflight.missing((4,)) == []
    assert preflight.missing((6, 4)) == [
        "IPv6 is missing in this kernel (CONFIG_IPV6, no ipv6.disable=1): give pods IPv4 only"
    ]


@pytest.mark.root
def test_ipv6_that_is_switched_off_is_told_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("all", "default", "lo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "disable_ipv6").write_text("1\n" if name == "default" else "0\n")
    monkeypatch.setattr(preflight, "CONF", tmp_path)
    assert preflight.missing((4, 6)) == ["IPv6 is switched off: sysctl -w net.ipv6.conf.default.disable_ipv6=0"]
    assert preflight.missing((4,)) == []


def test_another_system_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert preflight.missing() == ["Linux is needed, this is Darwin: run it in a Linux machine or virtual machine"]


def test_without_root_nothing_else_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert preflight.missing() == ["root is needed (namespaces, nftables): run with sudo"]


def test_every_missing_thing_has_a_line_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(preflight, "envoy", lambda: None)
    monkeypatch.setattr("ctypes.util.find_library", lambda _name: None)
    lines = preflight.missing()
    assert "the program catatonit is missing: apt-get install catatonit" in lines
    assert lines[-2].startswith("Envoy is missing: pip install")
    assert lines[-1] == "libnftables is missing: apt-get install libnftables1"
    assert len(lines) == len(preflight.PROGRAMS) + 2


def test_a_kernel_that_lacks_something_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    said = subprocess.CompletedProcess([], 1, stdout="nftables in this kernel lacks NAT (x): no\n", stderr="")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: said)
    assert preflight.missing() == ["nftables in this kernel lacks NAT (x): no"]


def test_a_check_that_dies_is_told_with_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said = subprocess.CompletedProcess([], -11, stdout="", stderr="Traceback\nOSError: no memory\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: said)
    assert preflight._kernel() == ["the kernel check failed: OSError: no memory"]


def test_a_check_that_dies_without_a_word_is_told_with_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    said = subprocess.CompletedProcess([], -11, stdout="", stderr="")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: said)
    assert preflight._kernel() == ["the kernel check failed: status -11"]


def test_the_envoy_beside_the_interpreter_comes_first() -> None:
    found = preflight.envoy()
    assert found is not None
    assert found.endswith("/envoy")


@pytest.mark.root
@pytest.mark.parametrize("fabric", [f.name for f in FABRICS])
def test_this_machine_has_what_each_fabric_needs(fabric: str) -> None:
    assert preflight._kernel((4,), fabric) == []


@pytest.mark.root
def test_a_kernel_without_the_device_of_a_fabric_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(preflight._DEVICES, "vxlan", ("no-such-kind", "CONFIG_VXLAN"))
    (line,) = preflight._device("vxlan")
    assert line.startswith("the fabric vxlan needs CONFIG_VXLAN in this kernel: ")
