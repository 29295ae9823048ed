"""What people get wrong: one clear message, an exit status, and nothing half done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import yaml

from e2e.lab import TANDEM, Lab, lab, until
from e2e.objects import deployment, idle, namespace, pod

pytestmark = pytest.mark.root

GOOD = """
apiVersion: v1
kind: Namespace
metadata: {name: %s}
"""
WRONG = {
    "field": (
        """apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec:
  podSelector: {}
  ingres: []
""",
        ("bad.yaml:", "spec.ingres"),
    ),
    "kind": ("apiVersion: v1\nkind: Gizmo\nmetadata: {name: p}\n", ("bad.yaml:2: kind:", "Gizmo")),
    "key": (
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: p\n  name: q\n",
        ("bad.yaml:5", "name"),
    ),
}


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        yield made


COOL = ("--ip-cool-down", "2")


@pytest.fixture(scope="module")
def small(world: Lab) -> Lab:
    """A run whose node has room for five pods."""
    world.tandem("up", "--detach", "--pod-cidr", "10.244.0.0/29", "--node-prefix", "29", *COOL, status=0)
    return world


def write(world: Lab, name: str, text: str) -> str:
    (world.root / "tmp" / name).write_text(text)
    return f"/tmp/{name}"


@pytest.mark.parametrize("mistake", WRONG)
def test_up_with_a_wrong_manifest_names_file_line_and_field_and_starts_nothing(world: Lab, mistake: str) -> None:
    before = world.picture()
    text, expected = WRONG[mistake]
    done = world.tandem("up", "-f", write(world, "bad.yaml", text), "--detach", status=1)
    assert all(part in done.err for part in expected), done.text
    assert "Traceback" not in done.text
    assert world.left_since(before) == []


def test_up_on_a_taken_port_names_the_option_and_leaves_nothing(world: Lab) -> None:
    before = world.picture()
    program = "import socket,sys; s=socket.create_server(('127.0.0.1',7000)); print('x',flush=True); sys.stdin.read()"
    with subprocess.Popen(
        world.enter(sys.executable, "-c", program), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.readline()
        done = world.tandem("up", "--detach", "--api-port", "7000", status=1)
        holder.stdin.close()
    assert "7000" in done.err
    assert "--api-port" in done.err
    assert len(done.err.splitlines()) == 1
    assert world.left_since(before) == []


@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_up_in_the_foreground_takes_all_down_when_it_is_told_to_end(world: Lab, name: str) -> None:
    before = world.picture()
    running = world.start(*TANDEM, "up")
    assert running.stderr is not None
    assert any("press Ctrl-C" in line for line in running.stderr)
    (pid,) = (pid for pid, command in world.processes().items() if command.endswith("tandem.apps.cli.main up"))
    world.run("kill", f"-{name}", str(pid), status=0)
    running.communicate(timeout=30)
    assert running.returncode == 0
    assert world.left_since(before) == []


def test_up_without_root_is_one_line(world: Lab) -> None:
    before = world.picture()
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    for command in (["up", "--detach"], ["down"]):
        done = world.run(*nobody, sys.executable, "-m", "tandem.apps.cli.main", *command, status=1)
        assert len(done.text.splitlines()) <= 2, done.text
        assert "root" in done.err
    assert world.left_since(before) == []


def test_a_pod_network_that_cannot_be_shared_out_is_refused(world: Lab) -> None:
    done = world.tandem("up", "--detach", "--node-prefix", "30", status=2)
    assert "between /16 and /29" in done.err
    assert not world.run_dir.exists()


@pytest.mark.parametrize("mistake", WRONG)
def test_apply_with_one_wrong_object_applies_none(small: Lab, mistake: str) -> None:
    text, expected = WRONG[mistake]
    good, bad = write(small, "good.yaml", GOOD % f"half-{mistake}"), write(small, "bad.yaml", text)
    done = small.tandem("apply", "-f", good, "-f", bad, status=1)
    assert all(part in done.err for part in expected), done.text
    found = small.tandem("get", "namespaces", "-o", "name", status=0)
    assert f"half-{mistake}" not in found.out


def test_a_second_up_says_what_runs_and_changes_nothing(small: Lab) -> None:
    before = small.picture()
    done = small.tandem("up", "--detach", status=1)
    assert "running already" in done.err
    assert small.left_since(before) == []


def test_a_pod_whose_command_does_not_exist_says_so_and_hurts_no_other(small: Lab) -> None:
    broken = pod("odd", "broken", {"name": "app", "image": "host", "command": ["no-such-program", "x"]})
    small.tandem("apply", "-f", "-", stdin=yaml.safe_dump_all([*namespace("odd"), broken]), status=0)
    small.tandem("apply", "-f", "-", stdin=yaml.safe_dump(pod("odd", "well", idle())), status=0)

    def waiting() -> str:
        states = small.get("odd", "pod", "broken").get("status", {}).get("containerStatuses") or [{}]
        return str(states[0].get("state", {}).get("waiting", {}))

    told = until(waiting, lambda text: "no-such-program" in text)
    assert "PATH=" in told
    assert "RunContainerError" in told or "CrashLoopBackOff" in told
    until(lambda: small.get("odd", "pod", "well"), lambda p: p["status"]["containerStatuses"][0]["ready"])
    small.delete("-n", "odd", "pod", "broken", "well")


def test_a_pod_without_an_address_says_which_pool_is_full_and_gets_the_next_free_one(small: Lab) -> None:
    small.apply(*namespace("full"), deployment("full", "five", idle(), replicas=5))
    small.tandem("apply", "-f", "-", stdin=yaml.safe_dump(pod("full", "sixth", idle())), status=0)

    def sixth() -> str:
        return str(small.get("full", "pod", "sixth").get("status", {}))

    told = until(sixth, lambda text: "is full" in text)
    assert "10.244.0.0/29" in told
    assert "delete pods" in told
    small.tandem("apply", "-f", "-", stdin=yaml.safe_dump(deployment("full", "five", idle(), replicas=4)), status=0)
    status = small.settled()
    addresses = [p["address"] for p in status["pods"]]
    assert len(addresses) == len(set(addresses)) == 5
    assert not any("is full" in p["message"] for p in status["pods"])
