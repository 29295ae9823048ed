"""The real kubectl runs programs in a pod and forwards ports, over SPDY and as it likes best."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onepod import OnePod, one_pod

pytestmark = pytest.mark.root

PATIENCE = 30.0
SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
"""Kubectl before 1.31 knows nothing else, and later ones obey."""
LISTENER = """
import socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        said = self.rfile.read()
        self.wfile.write(str(len(said)).encode() + b":" + said)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
server = Server(("127.0.0.1", 8080), Handler)
print("listening", flush=True)
server.serve_forever()
"""


@pytest.fixture(params=[SPDY, {}], ids=["spdy", "own choice"])
def pod(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[OnePod]:
    with one_pod(tmp_path) as made:
        made.server.more = request.param
        yield made


def eventually(pod: OnePod, wanted: set[str]) -> None:
    """Wait until these commands, and the pod's own, are all that runs in it."""
    deadline = time.monotonic() + PATIENCE
    while (found := {line for line in pod.inside() if line != "sleep 600"}) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def test_output_errors_and_exit_status_are_the_programs_own(pod: OnePod) -> None:
    done = pod.exec("sh", "-c", "hostname; echo $GREETING; pwd; echo bad >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, "tandem-exec-pod\nhello\n/usr\n")
    assert done.stderr == "bad\ncommand terminated with exit code 7\n"
    assert pod.exec("sh", "-c", "kill -9 $$").returncode == 137
    assert pod.exec("true").returncode == 0


def test_standard_input_is_passed_on_with_its_end_only_when_asked(pod: OnePod) -> None:
    text = "line\n" * 1_000_000
    assert pod.exec("wc", "-c", options=["-i"], stdin=text).stdout == f"{len(text)}\n"
    assert pod.exec("head", "-n1", options=["-i"], stdin=text).stdout == "line\n"
    assert pod.exec("cat", stdin="not passed on").stdout == ""


def test_large_output_comes_whole(pod: OnePod) -> None:
    done = pod.exec("sh", "-c", "head -c 9000000 /dev/zero | tr '\\0' x; echo end >&2; exit 3")
    assert (len(done.stdout), done.returncode) == (9_000_000, 3)
    assert done.stderr.startswith("end\n")


def test_a_child_in_the_background_does_not_keep_the_client(pod: OnePod) -> None:
    assert pod.exec("sh", "-c", "sleep 300 & echo begun").stdout == "begun\n"
    eventually(pod, {"sleep 300"})


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("web-0", "-c", "app", "--", "nosuch"), "command 'nosuch': not found in PATH="),
        (("web-0", "-c", "app", "--", "./nosuch"), "no such executable file in the pod: /usr/nosuch"),
        (("web-0", "-c", "other", "--", "true"), 'container not found ("other")'),
        (("web-0", "-c", "wrong", "--", "true"), "container wrong is not valid for pod web-0"),
        (("nowhere", "--", "true"), "pod nowhere does not have a host assigned"),
        (("nobody", "--", "true"), 'pods "nobody" not found'),
    ],
)
def test_what_cannot_be_run_is_said(pod: OnePod, arguments: tuple[str, ...], why: str) -> None:
    done = pod.server.kubectl("exec", *arguments)
    assert done.returncode == 1
    assert why in done.stderr


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("sleep 301 & setsid sleep 302 & sleep 303", []),
        ("trap '' HUP TERM INT PIPE; while :; do sleep 304; done", []),
        ("yes; sleep 305", []),
        ("sleep 306", ["-i"]),  # it reads nothing of what fills every buffer up to the client's
    ],
)
def test_what_was_started_ends_with_the_client(pod: OnePod, script: str, options: list[str]) -> None:
    command = pod.server.command("exec", *options, "web-0", "-c", "app", "--", "sh", "-c", f"echo begun; {script}")
    pipe = subprocess.PIPE
    with (
        Path("/dev/zero").open("rb") as endless,
        subprocess.Popen(command, stdin=endless, stdout=pipe, env=pod.server.environment) as client,
    ):
        assert client.stdout is not None
        assert client.stdout.readline() == b"begun\n"
        client.kill()
    eventually(pod, set())


def test_a_server_that_ends_ends_what_its_clients_run_and_tells_them(pod: OnePod) -> None:
    command = pod.server.command("exec", "web-0", "-c", "app", "--", "sh", "-c", "echo begun; sleep 300")
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=pod.server.environment) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "begun\n"
        pod.server.end()
        eventually(pod, set())
        _, told = client.communicate(timeout=PATIENCE)
    assert client.returncode == 1
    assert "the API server ends" in told


class Terminal:
    """Ours, on which kubectl runs."""

    def __init__(self, pod: OnePod, *command: str) -> None:
        self._ours, theirs = os.openpty()
        self.size(101, 33)
        argv = pod.server.command("exec", "-it", "web-0", "-c", "app", "--", *command)
        self.process = subprocess.Popen(
            argv, stdin=theirs, stdout=theirs, stderr=theirs, env=pod.server.environment, start_new_session=True
        )
        os.close(theirs)

    def size(self, width: int, height: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def types(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def shows(self, text: str) -> str:
        """All that it shows, up to and with this."""
        shown, deadline = "", time.monotonic() + PATIENCE
        while text not in shown:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {text!r} in {shown!r}"
            with contextlib.suppress(OSError):
                shown += os.read(self._ours, 4096).decode()
        return shown

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


def test_a_terminal_has_a_size_that_changes_and_keys_that_interrupt(pod: OnePod) -> None:
    terminal = Terminal(pod, "sh")
    try:
        terminal.types("until [ \"$(stty size)\" = '33 101' ]; do sleep 0.05; done; echo size; tty; echo $TERM\n")
        assert "/dev/pts/" in terminal.shows("\nxterm")
        terminal.size(120, 40)
        terminal.process.send_signal(signal.SIGWINCH)
        terminal.types("until [ \"$(stty size)\" = '40 120' ]; do sleep 0.05; done; echo chan''ged\n")
        terminal.shows("changed")  # as the echo of what was typed does not; a prompt may stand before it
        terminal.types("sleep 300\n")
        eventually(pod, {"sh", "sleep 300"})
        terminal.types("\x03")
        eventually(pod, {"sh"})
        terminal.types("exit 5\n")
        assert terminal.process.wait(PATIENCE) == 5
    finally:
        terminal.close()
    eventually(pod, set())


@pytest.fixture
def forwarded(pod: OnePod) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """Kubectl, and its ports for one that somebody listens on and one that nobody does."""
    enter = ["nsenter", f"--target={pod.process.pid}", "--net", sys.executable, "-c", LISTENER]
    command = pod.server.command("port-forward", "pod/web-0", ":8080", ":81", "--address", "127.0.0.1")
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(enter, stdout=pipe, text=True) as listener,
        subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=pod.server.environment) as client,
    ):
        assert listener.stdout is not None
        assert client.stdout is not None
        try:
            assert listener.stdout.readline() == "listening\n"
            first, second = (int(client.stdout.readline().split(":")[1].split()[0]) for _ in range(2))
            yield client, first, second
        finally:
            listener.kill()
            client.kill()


def ask(port: int, length: int) -> int:
    """Send so many bytes and the end; the number of bytes that came back before theirs."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(b"x" * length)
        client.shutdown(socket.SHUT_WR)
        got = b""
        while data := client.recv(65536):
            got += data
    head, _, body = got.partition(b":")
    assert len(body) == length
    return int(head)


def test_connections_to_a_port_reach_the_pod_each_on_its_own(
    forwarded: tuple[subprocess.Popen[str], int, int],
) -> None:
    _, port, _ = forwarded
    with socket.create_connection(("127.0.0.1", port)):  # one that says nothing holds nobody up
        assert [ask(port, length) for length in (0, 5, 3_000_000)] == [0, 5, 3_000_000]


def test_a_port_that_nobody_listens_on_is_said(forwarded: tuple[subprocess.Popen[str], int, int]) -> None:
    client, _, port = forwarded
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        assert connection.recv(1) == b""
    assert client.stderr is not None
    told = next(line for line in client.stderr if "forwarding" in line)
    assert "error forwarding port 81 to pod web-0" in told
    assert "refused" in told
