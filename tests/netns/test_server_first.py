"""A real server that speaks first: MariaDB and its own client, in the mesh and from outside of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import msgspec
import pytest

from meshbuild import attached, endpoint, endpoints, service, strict, view
from netns.mariadb import PORT, ask, database
from netns.meshlab import Lab
from tandem.ir.fabric import AppProtocol, MtlsMode, PortMtls
from tandem.model.core import ServicePort
from tandem.translate.protocols import app_protocol

pytestmark = pytest.mark.root

ADDRESSES = {"a": "10.244.0.2", "b": "10.244.0.3", "plain": "10.244.0.4"}
SERVER = ADDRESSES["b"]
FRONTS = {
    "10.96.1.1": ServicePort(port=PORT),
    "10.96.1.2": ServicePort(port=PORT, name="mysql"),
    "10.96.1.3": ServicePort(port=PORT, name="db", app_protocol="mysql"),
    "10.96.1.4": ServicePort(port=PORT, name="tcp-db"),
    "10.96.1.5": ServicePort(port=PORT, name="own"),
}
"""The database's Services by address: they differ in what they say of the port's protocol."""
FOUND_OUT = "10.96.1.5"
"""The one of which nobody knows that its server speaks first, as if its number were another."""
MODES: dict[MtlsMode, tuple[PortMtls, ...]] = {
    mode: (PortMtls(port=0, mode=mode),) for mode in (MtlsMode.PERMISSIVE, MtlsMode.DISABLE)
}
MODES[MtlsMode.STRICT] = strict(0)
LARGE = 3_000_000
PATIENCE = 5
"""More than the second for which a silent client is waited for, less than Envoy's own fifteen."""


class World:
    """Pod a of the mesh and a plain pod call the database in pod b of the mesh."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {name: lab.pod(name, address) for name, address in ADDRESSES.items()}

    def put(self, modes: tuple[PortMtls, ...]) -> None:
        a, b = (attached(n, ADDRESSES[n], netns=str(self.ns[n]), mtls=modes if n == "b" else ()) for n in "ab")
        # Control names nobody at a port that has no mTLS.
        known = {"identity": None} if modes == MODES[MtlsMode.DISABLE] else {}
        parts: list[Any] = []
        for number, (address, port) in enumerate(FRONTS.items()):
            name = f"db{number}"
            app = AppProtocol.DETECTED if address == FOUND_OUT else app_protocol(port)
            parts.append(service(name, address, (port.name, port.port, app)))
            parts.append(endpoints(name, msgspec.structs.replace(endpoint(b, **{port.name: PORT}), **known)))
        self.lab.apply(view(a, b, *parts))

    def converses(self, who: str, address: str) -> None:
        """A whole conversation: tables, a transaction, a large answer, and a pause in which nobody speaks."""
        found = ask(
            self.ns[who],
            address,
            "CREATE TEMPORARY TABLE goods.fruit (name TEXT, number INT)",
            "START TRANSACTION",
            "INSERT INTO goods.fruit VALUES ('apple', 42), ('pear', 7)",
            "ROLLBACK",
            "INSERT INTO goods.fruit VALUES ('plum', 3)",
            "SELECT name, number FROM goods.fruit",
            "SELECT SLEEP(1.5)",
            f"SELECT REPEAT('x', {LARGE})",
            "SELECT USER()",
            patience=PATIENCE,
        )
        assert found.returncode == 0, found.stderr
        fruit, slept, large, user = found.stdout.split("\n")[-5:-1]
        assert (fruit, slept, user) == ("plum\t3", "0", f"shop@{ADDRESSES[who]}")
        assert large == "x" * LARGE

    def connections(self) -> int:
        """How many the server has seen."""
        found = ask(self.ns["b"], "127.0.0.1", "SHOW GLOBAL STATUS LIKE 'Connections'")
        return int(found.stdout.split()[1])


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="tdmdb") as home, Lab("sf") as lab:
        made = World(lab)
        with database(made.ns["b"], Path(home)):
            yield made


@pytest.mark.parametrize("modes", [*MODES.values(), strict(PORT)], ids=[*(m.value for m in MODES), "STRICT-port"])
def test_a_pod_of_the_mesh_converses_whatever_the_port_says_of_itself(
    world: World, modes: tuple[PortMtls, ...]
) -> None:
    world.put(modes)
    with futures.ThreadPoolExecutor(len(FRONTS)) as clients:
        list(clients.map(lambda address: world.converses("a", address), FRONTS))


@pytest.mark.parametrize("mode", [MtlsMode.PERMISSIVE, MtlsMode.DISABLE], ids=lambda mode: mode.value)
def test_a_client_outside_the_mesh_converses_where_plain_text_is_welcome(world: World, mode: MtlsMode) -> None:
    world.put(MODES[mode])
    world.converses("plain", SERVER)


@pytest.mark.parametrize("modes", [strict(0), strict(PORT)], ids=["all", "port"])
def test_a_strict_server_is_not_even_dialled_for_a_client_outside_the_mesh(
    world: World, modes: tuple[PortMtls, ...]
) -> None:
    world.put(modes)
    before = world.connections()
    found = ask(world.ns["plain"], SERVER, "SELECT 1")
    assert (found.returncode, found.stdout) == (1, "")
    assert "reading initial communication packet" in found.stderr
    assert world.connections() == before + 1, "the one that has just counted"
    assert world.lab.ads.log_of("refused|uid-b")
