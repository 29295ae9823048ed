"""Beside the real `host-local` of Debian: both give addresses out of one range, and none twice."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from attaching import attachment
from tandem.base.clock import FixedClock
from tandem.base.ids import ContainerId
from tandem.ipam.hostlocal import HostLocal
from tandem.ipam.journal import MemoryJournal, use_of
from tandem.ipam.pool import ANY, Pool, PoolFullError
from tandem.ipam.shared import HeldError, SharedJournal

PLUGIN = Path("/usr/lib/cni/host-local")
SUBNET = "10.99.0.0/27"


def host_local(root: Path, verb: str, container: str) -> str:
    """The address that the plugin gives (ADD); empty if it refuses, or for DEL."""
    ipam = {"type": "host-local", "dataDir": str(root), "ranges": [[{"subnet": SUBNET}]]}
    config: dict[str, Any] = {"cniVersion": "1.0.0", "name": "net", "type": "x", "ipam": ipam}
    environment = {"CNI_COMMAND": verb, "CNI_CONTAINERID": container, "CNI_IFNAME": "eth0", "CNI_NETNS": "/x"}
    done = subprocess.run(
        [PLUGIN],
        input=json.dumps(config),
        env=environment | {"CNI_PATH": "/x"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or verb == "DEL":
        return ""
    return str(json.loads(done.stdout)["ips"][0]["address"].partition("/")[0])


class Ours:
    """A node that shares a directory."""

    def __init__(self, root: Path) -> None:
        (root / "net").mkdir(parents=True, exist_ok=True)
        self.clock = FixedClock(1000.0)
        self.directory = HostLocal(root / "net")
        self.journal = SharedJournal(MemoryJournal(self.clock), (self.directory,))
        self.pool = Pool.of(SUBNET)

    def add(self, container: str, address: str = "") -> str:
        use = use_of(self.journal, self.clock, cool_down=30)
        given = address or self.pool.give(ANY, use)[0]
        self.journal.add(attachment(container, given))
        return given

    def persistent_add(self, container: str) -> str:
        while True:
            try:
                return self.add(container)
            except HeldError:
                continue
            except PoolFullError:
                return ""


def test_both_use_up_one_range_and_no_address_twice(tmp_path: Path) -> None:
    ours = Ours(tmp_path)
    given = []
    for n in range(20):
        given += [ours.persistent_add(f"ours{n}"), host_local(tmp_path, "ADD", f"theirs{n}")]
    found = [a for a in given if a]
    assert len(found) == len(set(found)) == 29
    assert host_local(tmp_path, "ADD", "more") == ""


def test_both_at_once_never_meet(tmp_path: Path) -> None:
    ours = Ours(tmp_path)
    with ThreadPoolExecutor(2) as threads:
        theirs = threads.submit(lambda: [host_local(tmp_path, "ADD", f"theirs{n}") for n in range(20)])
        mine = threads.submit(lambda: [ours.persistent_add(f"ours{n}") for n in range(20)])
        found = [a for a in (*theirs.result(), *mine.result()) if a]
    assert len(found) == len(set(found)) >= 28


def test_what_the_plugin_gives_up_cools_down_and_what_we_give_up_it_may_have(tmp_path: Path) -> None:
    ours = Ours(tmp_path)
    theirs = host_local(tmp_path, "ADD", "theirs")
    assert theirs in ours.journal.taken()
    host_local(tmp_path, "DEL", "theirs")
    assert theirs not in ours.journal.taken()
    assert ours.journal.released() == {theirs: 1000.0}
    mine = ours.add("mine")
    assert (tmp_path / "net" / mine).read_bytes() == b"mine\r\neth0"
    ours.journal.remove((ContainerId("mine"), "eth0"))
    assert not (tmp_path / "net" / mine).exists()


def test_the_plugin_removes_none_of_our_files(tmp_path: Path) -> None:
    ours = Ours(tmp_path)
    mine = ours.add("mine")
    host_local(tmp_path, "ADD", "theirs")
    host_local(tmp_path, "DEL", "theirs")
    host_local(tmp_path, "DEL", "unknown")
    assert (tmp_path / "net" / mine).exists()


def test_an_address_that_the_plugin_took_a_moment_ago_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    ours = Ours(tmp_path)
    theirs = host_local(tmp_path, "ADD", "theirs")
    with pytest.raises(HeldError, match=theirs):
        ours.add("mine", theirs)
    assert ours.journal.all() == ()
    assert (tmp_path / "net" / theirs).read_bytes().startswith(b"theirs")
