"""Which directories a node shares, across restarts, and what `tandem down` takes out of them."""

from __future__ import annotations

from pathlib import Path

from attaching import attachment
from tandem.base.ids import ContainerId
from tandem.base.paths import NodeDir
from tandem.ipam.hostlocal import HostLocal
from tandem.ipam.store import SqliteJournal
from tandem.runtime.host_local import keep, remove_files, shared_directories


def test_what_is_kept_is_there_at_the_next_start(tmp_path: Path) -> None:
    node = NodeDir(tmp_path)
    assert shared_directories(node) == ()
    keep(node, (HostLocal(Path("/a")), HostLocal(Path("/b"))))
    assert [d.path for d in shared_directories(node)] == [Path("/a"), Path("/b")]


def test_only_our_files_are_taken_out(tmp_path: Path) -> None:
    node, folder = NodeDir(tmp_path), tmp_path / "net"
    folder.mkdir()
    journal = SqliteJournal(node.journal)
    journal.add(attachment("a", "10.0.0.2"))
    journal.close()
    directory = HostLocal(folder)
    directory.take("10.0.0.2", (ContainerId("a"), "eth0"))
    directory.take("10.0.0.3", (ContainerId("theirs"), "eth0"))
    assert list(remove_files(node)) == []
    keep(node, (directory,))
    assert list(remove_files(node)) == ["files taken out of directories of host-local: 1"]
    assert sorted(p.name for p in folder.iterdir()) == ["10.0.0.3", "lock"]


def test_a_directory_that_is_gone_is_told(tmp_path: Path) -> None:
    node = NodeDir(tmp_path)
    keep(node, (HostLocal(tmp_path / "gone"),))
    SqliteJournal(node.journal).close()
    assert list(remove_files(node)) == ["files taken out of directories of host-local: 0"]
