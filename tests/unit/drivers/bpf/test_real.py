"""Details of the real driver; its promises are in tests/contract/test_fast_path.py."""

from __future__ import annotations

import asyncio
import errno
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netns.podlab import ip, space
from tandem.base.problems import DriverError
from tandem.drivers.bpf import calls, filters, kernel, real
from tandem.drivers.bpf.port import Delta, Held
from tandem.drivers.bpf.real import KernelFastPath
from tandem.drivers.link.netlink import RefusedError
from tandem.state.fastpath import FastEnd

pytestmark = pytest.mark.root

END = FastEnd(address="10.0.0.2", host_ifname="td1", mac="02:00:00:00:00:01")
ALL = Delta(put=(END,), attach=("td1",))
END_SIZE = 20


@pytest.fixture
def netns() -> Iterator[str]:
    with space() as name:
        ip(name, "link", "add", "td1", "type", "veth", "peer", "name", "p1")
        ip(name, "link", "set", "td1", "up")
        yield name


def tc(netns: str, *words: str) -> str:
    return subprocess.run(["tc", "-n", netns, *words], check=True, capture_output=True, text=True).stdout


def test_the_filter_and_the_qdisc_are_seen_by_tc_and_go_together(netns: str) -> None:
    before = tc(netns, "qdisc", "show", "dev", "td1")
    driver = KernelFastPath(f"/run/netns/{netns}")
    asyncio.run(driver.apply(ALL))
    assert "tandem-fast direct-action" in tc(netns, "filter", "show", "dev", "td1", "ingress")
    asyncio.run(driver.apply(Delta(drop=(END,), detach=("td1",))))
    assert tc(netns, "qdisc", "show", "dev", "td1") == before
    driver.close()


def test_a_link_that_is_being_removed_keeps_the_filter_without_its_ends(netns: str) -> None:
    driver = KernelFastPath(f"/run/netns/{netns}")
    asyncio.run(driver.apply(ALL))
    assert driver._loaded
    key = bytes([10, 0, 0, 2])
    assert calls.get(driver._loaded.maps.ends[4], key, END_SIZE)
    ip(netns, "link", "set", "td1", "down")
    asyncio.run(driver.apply(Delta(drop=(END,), detach=("td1",))))
    with pytest.raises(FileNotFoundError):
        calls.get(driver._loaded.maps.ends[4], key, END_SIZE)
    assert "tandem-fast" in tc(netns, "filter", "show", "dev", "td1", "ingress")
    driver.close()
    after = KernelFastPath(f"/run/netns/{netns}")
    asyncio.run(after.apply(Delta(detach=("td1",))))  # not its own: off, whatever the link is
    assert "clsact" not in tc(netns, "qdisc", "show", "dev", "td1")
    after.close()


def test_nothing_of_it_is_in_the_kernel_once_link_and_agent_are_gone(netns: str) -> None:
    driver = KernelFastPath(f"/run/netns/{netns}")
    asyncio.run(driver.apply(ALL))
    assert driver._loaded
    maps = driver._loaded.maps
    programs = [_number(driver._loaded.program, "prog_id")]
    found = [_number(handle, "map_id") for handle in (maps.count, *maps.ends.values())]
    driver.close()
    assert all(_there(13, number) for number in programs)  # the link holds the program,
    assert all(_there(14, number) for number in found)  # and that its maps
    ip(netns, "link", "del", "td1")
    while any(_there(13, number) for number in programs) or any(_there(14, number) for number in found):
        pass  # the kernel takes them down after a grace period


def _number(handle: int, field: str) -> int:
    lines = Path(f"/proc/self/fdinfo/{handle}").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def _there(command: int, number: int) -> bool:
    """Whether a program (BPF_PROG_GET_FD_BY_ID) or map (BPF_MAP_GET_FD_BY_ID) is there."""
    try:
        os.close(calls._bpf(command, calls._buffer(struct.pack("=III", number, 0, 0))))
    except FileNotFoundError:
        return False
    return True


def test_a_kernel_that_refuses_changes_nothing_at_the_link(netns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "TYPES", Path("/nowhere"))
    driver = KernelFastPath(f"/run/netns/{netns}")
    with pytest.raises(DriverError, match="does not describe its types"):
        asyncio.run(driver.apply(ALL))
    assert asyncio.run(driver.read()) == Held()
    assert "clsact" not in tc(netns, "qdisc", "show", "dev", "td1")
    driver.close()


def test_a_link_that_goes_meanwhile_is_passed_over_and_any_other_refusal_is_told(
    netns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = KernelFastPath(f"/run/netns/{netns}")
    asyncio.run(driver.apply(Delta(put=(END,))))
    sock = driver._netlink()
    found = sock.named("td1")
    assert found is not None
    gone = ((*found[0][:2], 9999, *found[0][3:]), found[1])
    monkeypatch.setattr(sock, "named", lambda name: gone if name == "tdgone" else found)
    asyncio.run(driver.apply(Delta(attach=("td1", "tdgone"))))
    assert asyncio.run(driver.read()).links == {"td1"}
    with pytest.raises(RefusedError, match="fast path at link 7"):
        real._is_gone(filters.put_filter(7, 1), errno.EPERM)
    driver.close()


def test_processors_are_counted_by_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, number in (("0\n", 1), ("0-3\n", 4), ("0-3,8\n", 9), ("0-1,4-7\n", 8)):
        path = tmp_path / str(number)
        path.write_text(text)
        monkeypatch.setattr(real, "POSSIBLE", path)
        assert real._processors() == number
