"""The directory of pinned namespaces, beside `ip netns`, in a mount namespace with an empty /run of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.root

PRELUDE = """
import subprocess, threading
from pathlib import Path
from tandem.workloads import netns

def made(name):
    thread = threading.Thread(target=netns.create, args=(netns.DIRECTORY / name,))
    thread.start()
    thread.join()
    return netns.inode(netns.DIRECTORY / name)

def mounts():
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if "/run" in line]

def ip(*words):
    subprocess.run(["ip", "netns", *words], check=True)

before = mounts()
"""


def apart(code: str) -> None:
    script = 'mount -t tmpfs -o nosuid,nodev tmpfs /run && exec "$@"'
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", sys.executable, "-c"]
    done = subprocess.run([*command, PRELUDE + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_names_of_others_hide_no_namespace_of_ours() -> None:
    apart("""
assert made("tandem-a")
ip("add", "theirs")
assert made("tandem-b")
assert netns.remove(netns.DIRECTORY / "tandem-a") and netns.remove(netns.DIRECTORY / "tandem-b")
assert [p.name for p in netns.DIRECTORY.iterdir()] == ["theirs"]
""")


def test_the_mount_goes_with_the_last_name_whoever_has_it() -> None:
    apart("""
assert made("tandem-a")
ip("add", "theirs")
assert netns.remove(netns.DIRECTORY / "tandem-a")
netns.leave_directory()
assert len(mounts()) > len(before)
ip("delete", "theirs")
netns.leave_directory()
assert mounts() == before
""")


def test_a_mount_that_was_there_before_stays() -> None:
    apart("""
ip("add", "theirs")
ip("delete", "theirs")
before = mounts()
assert made("tandem-a")
assert netns.remove(netns.DIRECTORY / "tandem-a")
netns.leave_directory()
assert mounts() == before
""")


def test_the_mount_keeps_what_the_one_below_it_forbids() -> None:
    apart("""
assert made("tandem-a")
options = [l.split()[5] for l in Path("/proc/self/mountinfo").read_text().splitlines() if l.split()[4] == "/run/netns"]
assert {"nosuid", "nodev"} <= set(options[-1].split(","))
assert "noexec" not in options[-1].split(",")
""")
