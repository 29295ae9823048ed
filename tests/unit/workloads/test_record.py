"""Records of sandboxes survive a restart, and nobody else reads them."""

from __future__ import annotations

import os
from pathlib import Path

from tandem.base.paths import NodeDir
from tandem.workloads.record import FILE, ContainerRecord, Process, load, load_all, new_record, save


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    record = new_record(uid="u1", namespace="n", name="a", attempt=2)
    save(NodeDir(tmp_path), record)
    assert load(NodeDir(tmp_path), "u1") == record


def test_each_sandbox_has_a_container_id_of_its_own() -> None:
    one, two = (new_record(uid="u1", namespace="n", name="a", attempt=0) for _ in range(2))
    assert one.container_id != two.container_id


def test_a_record_may_hold_secrets_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    save(NodeDir(tmp_path), new_record(uid="u1", namespace="n", name="a", attempt=0))
    assert (NodeDir(tmp_path).pods / "u1" / FILE).stat().st_mode & 0o777 == 0o600


def test_a_broken_record_is_none_and_hides_no_other(tmp_path: Path) -> None:
    node = NodeDir(tmp_path)
    for uid in ("u2", "u1", "u3"):
        save(node, new_record(uid=uid, namespace="n", name="a", attempt=0))
    (node.pods / "u2" / FILE).write_text("{")
    assert load(node, "u2") is None
    assert [record.uid for record in load_all(node)] == ["u1", "u3"]


def test_a_process_is_known_by_pid_and_start_time() -> None:
    assert not Process().alive
    assert not Process(pid=os.getpid(), started=1).alive


def test_a_new_container_has_no_process() -> None:
    assert not ContainerRecord().process.alive
