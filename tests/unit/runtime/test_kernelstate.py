"""The kernel before and after."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alone import alone
from tandem.runtime.kernelstate import difference, picture


def test_equal_pictures_do_not_differ() -> None:
    assert difference({"links": ("lo",)}, {"links": ("lo",)}) == []


def test_what_came_and_what_went_is_told_by_topic() -> None:
    before = {"links": ("eth0", "lo"), "tables": ()}
    after = {"links": ("lo", "td1"), "tables": ("table inet tandem",)}
    assert difference(before, after) == ["+ links: td1", "- links: eth0", "+ tables: table inet tandem"]


def _changes(run_dir: str) -> list[str]:
    import subprocess
    from pathlib import Path

    from tandem.runtime.kernelstate import difference, picture

    before = picture(Path(run_dir))
    for command in (
        "ip link add td1 type bridge",
        "ip address add 10.9.0.1/32 dev td1",
        "ip link set td1 up",
        "ip route add 10.9.1.0/24 dev td1",
        "ip neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 nud permanent dev td1",
        "bridge fdb add 02:00:00:00:00:08 dev td1 self permanent",
        "tc qdisc add dev td1 root tbf rate 1mbit burst 10k latency 10ms",
        "sysctl -qw net.ipv4.conf.default.rp_filter=2",
        "ip rule add fwmark 7 lookup 116",
        "nft add table inet tandem",
        "sysctl -qw net.ipv4.ip_forward=1",
        "ip netns add tandem-x",
    ):
        subprocess.run(command.split(), check=True)
    Path(run_dir, "kubeconfig").touch()
    return difference(before, picture(Path(run_dir)))


@pytest.mark.root
def test_every_kind_of_trace_that_we_could_leave_is_seen(tmp_path: Path) -> None:
    found = alone(_changes, str(tmp_path))
    topics = {line.split(":")[0] for line in found}
    assert {
        "+ links",
        "+ addresses",
        "+ routes",
        "+ rules",
        "+ tables",
        "+ namespaces",
        "+ sysctls",
        "- sysctls",
        "+ files",
        "+ mounts",
        "+ neighbours",
        "+ forwarding entries",
        "+ queues",
    } <= topics
    assert "+ tables: table inet tandem" in found


def test_only_processes_of_this_run_directory_are_in_the_picture(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    words = ["-m", "tandem.apps.agent", "--run-dir", str(tmp_path), "--node", "n1"]
    with subprocess.Popen([*program, *words], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert [p.endswith(" ".join(words)) for p in picture(tmp_path)["processes"]] == [True]
        assert picture(tmp_path / "other")["processes"] == ()
        process.kill()
