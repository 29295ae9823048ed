"""A real database behind a gateway: MariaDB, whose server speaks first, by TCP and in TLS that the gateway ends.

Its pod takes mTLS alone, so that what comes there comes from the gateway. The client is a machine beyond the node.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from e2e.lab import Lab, Ran, lab, until
from e2e.objects import account, container, namespace, pod, service, strict
from e2e.test_gateway_tls import made, secret
from issuing import authority
from netns.mariadb import PORT, asking, granted, installing, serving

pytestmark = pytest.mark.root

NODE, OUTSIDE = "198.51.100.1", "198.51.100.9"
NEIGHBOUR: Final = ("ip", "netns", "exec", "outside")
HOME: Final = Path("/tmp/database")
ROOTS: Final = "/tmp/roots.pem"
LARGE: Final = 3_000_000
IN_TLS: Final = """
import asyncio, ssl, sys

async def main(at, name, roots, *command):
    terms = ssl.create_default_context(cafile=roots)
    async def taken(reader, writer):
        try:
            far = await asyncio.open_connection(at, 3307, ssl=terms, server_hostname=name)
            async def hand_on(source, sink):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
                sink.close()
            await asyncio.gather(hand_on(reader, far[1]), hand_on(far[0], writer))
        except (OSError, ssl.SSLError) as err:
            print(err, file=sys.stderr)
            writer.close()
    async with await asyncio.start_server(taken, "127.0.0.1", 3307):
        return await (await asyncio.create_subprocess_exec(*command)).wait()

sys.exit(asyncio.run(main(*sys.argv[1:])))
"""
"""Runs a command, for which port 3307 of 127.0.0.1 is that of a machine in TLS, which it need not speak itself."""
CONVERSATION: Final = (
    "CREATE TEMPORARY TABLE goods.fruit (name TEXT, number INT)",
    "START TRANSACTION",
    "INSERT INTO goods.fruit VALUES ('apple', 42)",
    "ROLLBACK",
    "INSERT INTO goods.fruit VALUES ('plum', 3)",
    "SELECT name, number FROM goods.fruit",
    "SELECT SLEEP(1.5)",
    f"SELECT REPEAT('x', {LARGE})",
)
LISTENERS: Final = [
    {"name": "plain", "port": PORT, "protocol": "TCP"},
    {
        "name": "secure",
        "port": 3307,
        "protocol": "TLS",
        "hostname": "*.db.test",
        "tls": {"mode": "Terminate", "certificateRefs": [{"name": "server"}]},
    },
]


def database() -> dict[str, Any]:
    steps = (
        shlex.join(["mkdir", str(HOME)]),
        f"{shlex.join(installing(HOME))} > /dev/null",
        f"printf %s {shlex.quote(granted())} > {HOME}/grants.sql",
        f"exec {shlex.join(serving(HOME))}",
    )
    return pod("shop", "db", container("sh", "-c", " && ".join(steps), port=PORT), serviceAccountName="db")


def leads(section: str, **more: Any) -> dict[str, Any]:
    rules = [{"backendRefs": [{"name": "db", "port": PORT}]}]
    return {"parentRefs": [{"name": "edge", "sectionName": section}], "rules": rules, **more}


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as found:
        found.add_machine("outside", "out0", at=f"{OUTSIDE}/24", ours=f"{NODE}/24")
        found.tandem("up", "--lb-pool", "198.51.100.64/28", "--detach", status=0)
        found.run("sh", "-c", f"cat > {ROOTS}", stdin=authority("roots").pem)
        found.apply(
            *namespace("shop", mesh=True),
            strict("shop"),
            account("shop", "db"),
            database(),
            service("shop", "db", port=PORT, target=PORT, tcp=True),
            secret("server", "orders.db.test", "other.db.test", by="roots"),
            made("Gateway", "edge", {"gatewayClassName": "tandem", "listeners": LISTENERS}),
            made("TCPRoute", "db", leads("plain")),
            made("TLSRoute", "db", leads("secure", hostnames=["orders.db.test"])),
            seconds=90,
        )
        until(lambda: programmed(found), lambda status: status == "True", found.logs)
        until(lambda: plainly(found, "SELECT 1"), lambda ran: ran.status == 0, found.logs)
        yield found


def gateway(world: Lab) -> Any:
    return world.get("shop", "gateway", "edge").get("status", {})


def programmed(world: Lab) -> str:
    return next((str(c["status"]) for c in gateway(world).get("conditions", []) if c["type"] == "Programmed"), "")


def address(world: Lab) -> str:
    return str(gateway(world)["addresses"][0]["value"])


def plainly(world: Lab, *statements: str) -> Ran:
    return world.run(*NEIGHBOUR, *asking(address(world), *statements))


def in_tls(world: Lab, name: str, *statements: str) -> Ran:
    around = (sys.executable, "-c", IN_TLS, address(world), name, ROOTS)
    return world.run(*NEIGHBOUR, *around, *asking("127.0.0.1", *statements, port=3307))


def holds(ran: Ran) -> None:
    assert ran.status == 0, ran.text[-2000:]
    fruit, slept, large = ran.out.splitlines()
    assert (fruit, slept) == ("plum\t3", "0")
    assert large == "x" * LARGE


def test_a_whole_conversation_by_tcp(world: Lab) -> None:
    holds(plainly(world, *CONVERSATION))


def test_a_whole_conversation_in_tls_that_the_gateway_ends(world: Lab) -> None:
    holds(in_tls(world, "orders.db.test", *CONVERSATION))


def test_a_name_without_a_route_is_refused(world: Lab) -> None:
    ran = in_tls(world, "other.db.test", "SELECT 1")
    assert ran.status != 0
    assert "Lost connection to server at 'handshake" in ran.err, ran.text


def test_flows_tell_the_client_and_the_gateway_of_either_port(world: Lab) -> None:
    def told() -> set[tuple[str, str, int]]:
        found = world.tandem("flows", "-o", "json", "--last", "200", status=0).json()["flows"]
        mine = [one for one in found if one["destination"].get("pod") == "gateway/edge"]
        return {(one["source"]["address"], one["verdict"], one["destination"]["port"]) for one in mine}

    until(told, lambda found: {(OUTSIDE, "allowed", port) for port in (PORT, 3307)} <= found, world.logs)


def test_without_the_gateways_identity_nobody_gets_to_the_database(world: Lab) -> None:
    (pod_address,) = (one["ip"] for one in world.get("shop", "pod", "db")["status"]["podIPs"])
    world.run("ip", "-n", "outside", "route", "replace", "default", "via", NODE, status=0)
    ran = world.run(*NEIGHBOUR, *asking(pod_address, "SELECT 1", patience=5))
    assert ran.status != 0, "the pod takes mTLS alone"
