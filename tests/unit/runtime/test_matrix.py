"""From questions to packets and back: over loopback, where one end is told to be the other's neighbour."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from builders import node, pod, world
from tandem.base.paths import RunDir
from tandem.drivers.reach.crew import HERE
from tandem.model.core import NodeAddress, NodeStatus
from tandem.model.meta import Object
from tandem.runtime.matrix import (
    Patience,
    Seat,
    _more,
    inside,
    observe,
    seats_here,
    seats_in_cluster,
    seats_of_nodes,
)
from tandem.runtime.supervisor import Task, write_tasks
from tandem.views.matrix import Cell, End, Question, Word, ends_of
from tandem.workloads.record import new_record, save
from tandem.workloads.sandbox import identify

A, B = (End(name=name, addresses=("127.0.0.1",), pod=("shop", name[-1])) for name in ("shop/a", "shop/b"))
PATIENCE = Patience(seconds=0.3, tries=2)


def port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def question(number: int, *, expected: Word = Word.ALLOWED, protocol: str = "TCP", proxied: bool = False) -> Question:
    return Question(
        source="shop/a",
        destination="shop/b",
        address="127.0.0.1",
        protocol=protocol,
        port=number,
        expected=expected,
        proxied=proxied,
    )


def to_itself() -> Question:
    """On one machine two workers would serve the same port: one is asked about itself."""
    return msgspec.structs.replace(question(port()), source="shop/b")


def seen(*asked: Question, seats: tuple[Seat, ...] | None = None) -> list[Cell]:
    given = seats or (Seat(end=B, argv=HERE), Seat(end=A, argv=HERE))
    return list(asyncio.run(observe(given, asked, patience=PATIENCE)).cells)


@contextmanager
def other_program(reply: bytes) -> Iterator[int]:
    """A server of somebody else: it takes one connection after another and says this to each."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    taken, _ = server.accept()
                except OSError:
                    return
                with taken:
                    taken.recv(4096)
                    taken.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_a_server_that_is_reached_says_its_name() -> None:
    [cell] = seen(to_itself(), seats=(Seat(end=B, argv=HERE),))
    assert (cell.observed, cell.equal, cell.tries) == (Word.ALLOWED, True, 1)


def test_an_answer_of_another_server_is_a_difference() -> None:
    asked = msgspec.structs.replace(to_itself(), destination="shop/else")
    [cell] = seen(asked, seats=(Seat(end=B, argv=HERE),))
    assert (cell.observed, cell.detail, cell.equal) == (Word.REFUSED, "answered by shop/b", False)


def test_a_missing_answer_is_asked_for_again_and_a_silence_that_is_due_is_not() -> None:
    silent = question(1, protocol="UDP")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        number = held.getsockname()[1]
        due = msgspec.structs.replace(silent, port=number, expected=Word.DENIED)
        missing = msgspec.structs.replace(silent, port=number)
        cells = seen(due, missing, seats=(Seat(end=A, argv=HERE),))
    assert [(c.observed, c.equal, c.tries) for c in cells] == [(Word.DENIED, True, 1), (Word.DENIED, False, 2)]


def test_ports_of_other_programs_are_asked_as_they_are() -> None:
    with other_program(b"HTTP/1.1 200 OK\r\n\r\n") as number:
        [cell] = seen(question(number))
        assert (cell.observed, cell.detail) == (Word.ALLOWED, "HTTP/1.1 200 OK")
    with other_program(b"HTTP/1.1 503 Service Unavailable\r\n\r\n") as number:
        assert seen(question(number))[0].observed is Word.ALLOWED
        assert seen(question(number, proxied=True))[0].observed is Word.REFUSED


def test_silence_of_another_program_by_udp_is_not_known() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        [cell] = seen(question(held.getsockname()[1], expected=Word.DENIED, protocol="UDP"))
    assert (cell.observed, cell.equal) == (Word.UNKNOWN, True)


def test_pods_of_this_machine_are_entered_by_their_pinned_namespaces(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path)
    web, gone = pod("web", ip="10.244.0.2"), pod("gone", ip="10.244.0.3")
    record = new_record(uid=web.metadata.uid, namespace="default", name="web", attempt=0)
    save(run_dir.node("node-1"), msgspec.structs.replace(record, netns="/run/netns/x", init=identify(os.getpid())))
    found = world(web, gone)
    seats, missing = seats_here(run_dir, found, ends_of(found))
    assert [(s.end.name, s.argv) for s in seats] == [("default/web", inside("/run/netns/x"))]
    assert missing == {"default/gone": "it does not run on this machine"}


def test_nodes_are_entered_where_tandem_up_put_them(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path)
    tasks = [
        Task(role="agent", arguments=("--node", name), log="x", netns=netns)
        for name, netns in (("node-1", ""), ("node-2", "/run/netns/two"), ("node-3", ""))
    ]
    write_tasks(run_dir, tuple(tasks))

    def machine(name: str, address: str) -> Object:
        status = NodeStatus(addresses=(NodeAddress(type="InternalIP", address=address),))
        return msgspec.structs.replace(node(name), status=status)

    found = world(*(machine(f"node-{i}", a) for i, a in ((1, "192.0.2.1"), (2, "192.0.2.2"), (3, "127.0.0.1"))))
    assert [(s.end.name, s.end.addresses, s.argv) for s in seats_of_nodes(run_dir, found)] == [
        ("node/node-1", ("192.0.2.1",), HERE),
        ("node/node-2", ("192.0.2.2",), inside("/run/netns/two")),
    ]


def test_pods_of_a_cluster_are_entered_by_kubectl(tmp_path: Path) -> None:
    """With a stand-in for kubectl that runs the command here: what is shown is our command line, not the cluster."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        f"#!{sys.executable}\nimport os, sys, json\n"
        f"open({str(tmp_path / 'said')!r}, 'a').write(json.dumps(sys.argv[1:7]) + chr(10))\n"
        f"os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[sys.argv.index('--') + 2:]])\n"
    )
    kubectl.chmod(0o755)
    seats = seats_in_cluster([B, End(name="outside", addresses=())], kubectl=[str(kubectl), "--kubeconfig", "k"])
    assert seen(to_itself(), seats=seats)[0].equal
    assert json.loads((tmp_path / "said").read_text()) == ["--kubeconfig", "k", "exec", "-i", "-n", "shop"]


@pytest.mark.parametrize("tries", [1, 3])
def test_the_bound_of_tries_is_kept(tries: int) -> None:
    number = port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        number = held.getsockname()[1]
        found = asyncio.run(
            observe(
                [Seat(end=A, argv=HERE)],
                [question(number, protocol="UDP")],
                patience=Patience(seconds=0.1, tries=tries),
            )
        )
    assert [c.tries for c in found.cells] == [tries]


def test_each_time_there_is_more_time_and_less_at_once() -> None:
    first = Patience(seconds=1.0, width=200)
    assert [(p.seconds, p.width) for p in (_more(first, n) for n in (1, 2, 3, 4, 9))] == [
        (1.0, 200),
        (2.0, 50),
        (4.0, 12),
        (8.0, 4),
        (8.0, 4),
    ]


def test_a_refusal_that_is_due_and_missing_is_unknown_but_by_tcp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        number = held.getsockname()[1]
        due = question(number, expected=Word.REFUSED, protocol="UDP")
        [cell] = seen(due, seats=(Seat(end=A, argv=HERE),))
    assert (cell.observed, cell.equal, cell.tries) == (Word.UNKNOWN, True, 2)


def test_a_connection_that_should_not_be_made_has_passed_whatever_came_of_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        number = int(mute.getsockname()[1])
        asked = msgspec.structs.replace(question(number, expected=Word.DENIED), destination="shop/elsewhere")
        [cell] = seen(asked, seats=(Seat(end=A, argv=HERE),))
    assert (cell.observed, cell.detail, cell.tries) == (Word.ALLOWED, "a connection was made", 1)
