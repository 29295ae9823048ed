"""What the status of the plugin is made of."""

from __future__ import annotations

from pathlib import Path

import msgspec

from attaching import attachment
from cnihost import agent, node, places, run_dir
from tandem.ipam.journal import Foreign, Phase
from tandem.ipam.store import SqliteJournal
from tandem.ir.node import ForeignLink
from tandem.runtime.cni_host import install
from tandem.runtime.cni_status import cni_status
from tandem.state.foreign import UNTOUCHED

POD = attachment("c1", "10.244.0.2", namespace="shop", pod_name="web", phase=Phase.READY)


def test_an_agent_that_serves_is_well(tmp_path: Path) -> None:
    made = run_dir(tmp_path)
    with agent(node(made)):
        found = cni_status(made, node(made))
    assert (found.well, found.node, found.code, found.attachments) == (True, "node-1", 0, ())
    assert set(found.verbs) == {"ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"}
    assert "1.1.0" in found.versions


def test_an_agent_that_is_away_is_not(tmp_path: Path) -> None:
    made = run_dir(tmp_path)
    found = cni_status(made, node(made))
    assert (found.well, found.code) == (False, 50)
    (node(made).cni_bin / "tandem-cni").unlink()
    assert "is missing" in cni_status(made, node(made)).message


def test_a_changed_file_is_not_well(tmp_path: Path) -> None:
    made, where = run_dir(tmp_path), places(tmp_path)
    with agent(node(made)):
        list(install(made, node(made), where, wait=0))
        assert [p.unchanged for p in cni_status(made, node(made)).installed] == [True]
        where.executable.unlink()
        assert not cni_status(made, node(made)).well


def test_attachments_are_pods_or_say_what_judges_them(tmp_path: Path) -> None:
    made = run_dir(tmp_path)
    journal = SqliteJournal(node(made).journal)
    journal.add(POD)
    more = {"namespace": "", "pod_name": "x", "phase": Phase.ADDING}
    for number, closed in ((2, ""), (3, "tandem")):
        change = {"container_id": f"c{number}", "addresses": (f"10.244.0.{number + 1}",), "closed_by": closed}
        journal.add(msgspec.structs.replace(POD, **more, **change))
    behind = Foreign(link=ForeignLink(ifname="eth0"), addresses=("10.88.0.2",), before=UNTOUCHED)
    chained = {"container_id": "c4", "addresses": (), "network": "mynet", "aliases": ("db",), "foreign": behind}
    journal.add(msgspec.structs.replace(POD, **chained))
    *found, last = cni_status(made, node(made)).attachments
    assert (last.addresses, last.network, last.chained, last.aliases) == (("10.88.0.2",), "mynet", True, ("db",))
    assert not found[0].chained
    assert [(a.container, a.namespace, a.unmanaged, a.phase) for a in found] == [
        ("c1", "shop", "", "ready"),
        ("c2", "", "open", "adding"),
        ("c3", "", "closed", "adding"),
    ]
    journal.close()
