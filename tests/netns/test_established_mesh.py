"""A change of policy ends what Envoy holds open as well: both ends of a pooled connection, here and at another node."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from meshbuild import NODE, attached, endpoint, endpoints, service, view
from netns.meshapps import Client, dial, greeter_app, http_app
from netns.meshlab import Lab
from tandem.base.ids import PolicySetId
from tandem.base.netns import in_netns
from tandem.base.problems import Origin
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.ir.fabric import AppProtocol
from tandem.ir.node import AttachedPod, NodeView
from tandem.ir.policy import PolicySet, Side
from tandem.runtime.established import end_denied

pytestmark = pytest.mark.root

A, B, X = (f"10.244.0.{n}" for n in (2, 3, 9))
WEB, TCP = "10.96.1.1", "10.96.1.2"
DENY: Final = PolicySet(
    id=PolicySetId("deny"),
    side=Side.INGRESS,
    rules=(),
    isolated_by=(Origin(kind="NetworkPolicy", namespace="shop", name="deny"),),
)
ESTABLISHED: Final = "01"


class Mesh:
    """Pods a and b in the mesh, x outside; a node whose table judges them."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {name: lab.pod(name, address) for name, address in zip("abx", (A, B, X), strict=True)}
        self.nft = Libnftables(str(lab.node))
        lab.apply(self.view())
        self.nft.apply(plan(None, compile_nft(self.view())))

    def pod(self, name: str, address: str, **fields: Any) -> AttachedPod:
        made = attached(name, address, netns=str(self.ns[name]), **fields)
        return msgspec.structs.replace(made, host_ifname=f"td{name}")

    def view(self, *, isolated: bool = False, of_other_node: bool = False) -> NodeView:
        """`of_other_node`: as the node of b sees it if a is on another."""
        a, b = self.pod("a", A), self.pod("b", B)
        if isolated:
            b = msgspec.structs.replace(b, pod=msgspec.structs.replace(b.pod, ingress=DENY.id))
        return view(
            *((b,) if of_other_node else (a, b, self.pod("x", X, meshed=False))),
            service("web", WEB, ("http", 80, AppProtocol.HTTP)),
            service("tcp", TCP, ("tcp", 90, AppProtocol.TCP)),
            service("callers", "", ("http", 80, AppProtocol.HTTP)),
            endpoints("web", endpoint(b, http=8080)),
            endpoints("tcp", endpoint(b, tcp=9000)),
            endpoints("callers", endpoint(a, http=80)),
            sets={DENY.id: DENY},
            # None of the pods' addresses is in it: one that no pod has is not of a pod that is gone.
            node=msgspec.structs.replace(NODE, pod_cidrs=("10.244.0.0/31",)),
        )

    def deny(self, *, of_other_node: bool = False) -> int:
        before = self.view(of_other_node=of_other_node)
        now = self.view(isolated=True, of_other_node=of_other_node)
        self.nft.apply(plan(self.nft.read(), compile_nft(self.view(isolated=True))))
        begun = time.monotonic()
        ended = in_netns(str(self.lab.node), lambda: end_denied(before, now))
        sys.stderr.write(f"{len(ended)} ended in {time.monotonic() - begun:.3f} s\n")
        return len(ended)

    def connections(self, pod: str) -> set[str]:
        """The ports of a by which the pod has a connection between a and the services of b, as `/proc` writes them."""
        return in_netns(str(self.ns[pod]), _ports_of_a)


def _ports_of_a() -> set[str]:
    lines = Path("/proc/thread-self/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    pairs = [{row[1], row[2]} for row in map(str.split, lines) if row[3] == ESTABLISHED]
    a, b = (f"{int.from_bytes(bytes(map(int, address.split('.'))), 'little'):08X}:" for address in (A, B))
    return {
        end.removeprefix(a)
        for pair in pairs
        for end in pair
        if end.startswith(a) and any(other.startswith(b) for other in pair)
    }


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with Lab("e", link="td") as lab, contextlib.ExitStack() as apps:
        made = Mesh(lab)
        apps.enter_context(http_app(made.ns["b"], 8080, "b"))
        apps.enter_context(greeter_app(made.ns["b"], 9000))
        yield made


@pytest.fixture(autouse=True)
def open_again(mesh: Mesh) -> None:
    mesh.nft.apply(plan(mesh.nft.read(), compile_nft(mesh.view())))


def soon(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("of_other_node", [False, True], ids=["one node", "the source at another node"])
def test_a_pooled_connection_is_closed_at_both_ends_and_the_next_request_finds_silence(
    mesh: Mesh, *, of_other_node: bool
) -> None:
    with contextlib.closing(Client(mesh.ns["a"], WEB, 80)) as client:
        assert client.get("/")[0] == 200
        pooled = mesh.connections("a")
        assert pooled
        assert pooled <= mesh.connections("b")
        assert mesh.deny(of_other_node=of_other_node)
        soon(lambda: not mesh.connections("a"))
        soon(lambda: not pooled & mesh.connections("b"))
        assert client.sock is not None
        client.sock.settimeout(2)
        with pytest.raises(TimeoutError):  # Envoy tries anew, and finds silence
            client.get("/")


def test_bytes_over_the_mesh_end_for_the_application_too(mesh: Mesh) -> None:
    with contextlib.closing(dial(mesh.ns["a"], TCP, 90)) as sock:
        assert sock.recv(100) == f"hello {A}\n".encode()
        sock.settimeout(5)
        assert mesh.deny() >= 1
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(100) == b""
        soon(lambda: not mesh.connections("a"))


def test_a_client_outside_the_mesh_is_told_by_the_pods_envoy(mesh: Mesh) -> None:
    with contextlib.closing(dial(mesh.ns["x"], B, 9000)) as sock:
        assert sock.recv(100) == f"hello {X}\n".encode()
        assert mesh.deny() >= 1  # what Envoy began anew in the test before may end as well
        with pytest.raises(ConnectionResetError):
            sock.recv(100)
