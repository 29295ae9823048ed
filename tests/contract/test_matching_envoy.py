"""The matcher of a listener in a real Envoy: what the tests' own evaluator says of a connection is what Envoy does.

Connections say by the PROXY protocol which address they dialled.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any

from chosen import Dialled, matched
from contract.test_xds_envoy import free_port, play
from tandem.compile.envoy.detection import detecting_at
from tandem.compile.envoy.matching import Way, matcher_of
from tandem.compile.envoy.proto import extension
from tandem.drivers.envoy.process import EnvoyProcess
from tandem.drivers.xds.encode import Encoder
from tandem.drivers.xds.server import XdsServer
from tandem.state.assembled import Assembled
from tandem.state.xds import LISTENER, ORDER, Resource, Snapshot

WAYS = (
    Way("found", 80, ("10.96.0.1",), (), requests=True),
    Way("bytes", 80, ("10.96.0.1",)),
    Way("web", 80, ("10.96.0.2", "fd00:0::1")),
    Way("long", 80, ("192.0.2.0/25",)),
    Way("short", 80, ("192.0.2.0/24",)),
    Way("named", 80, ("192.0.2.128/26",), ("a.test", "*.b.test")),
    Way("any", 90),
    Way("found outside", 91, ("10.0.0.0/8",), (), requests=True),
    Way("outside", 91, ("10.0.0.0/8",)),
    Way("inside", 91, ("10.96.0.1",)),
    Way("exact", 443, (), ("x.test",)),
    Way("pattern", 443, (), ("*.x.test",)),
    Way("here", 443, ("10.96.0.9",), ("y.test",)),
    Way("found here", 443, ("10.96.0.9",), (), requests=True),
    Way("rest here", 443, ("10.96.0.9",)),
)
SAID = {
    "": ("", b""),
    "bytes": ("", b"x\r\n"),
    "http/1.0": ("http/1.0", b"GET / HTTP/1.0\r\n\r\n"),
    "http/1.1": ("http/1.1", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    "h2c": ("h2c", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
}
"""What a client says, by name: what is found in it, and the bytes."""
NAMES = ("a.test", "Q.B.test", "b.test", "x.test", "w.v.x.test", "y.test")
PLACES = (
    *(("10.96.0.1", port) for port in (80, 90, 91, 92)),
    *((address, 80) for address in ("10.96.0.2", "10.96.0.3", "fd00::1", "192.0.2.1", "192.0.2.200", "192.0.2.130")),
    ("10.1.2.3", 91),
    ("192.0.3.1", 91),
    ("192.0.2.1", 443),
    ("10.96.0.9", 443),
)


def chain(name: str) -> dict[str, Any]:
    """Says its name."""
    kind = "extensions.filters.network.direct_response.v3.Config"
    return {"name": name, "filters": [extension("says", kind, {"response": {"inline_string": f"{name}\n"}})]}


def listener(port: int) -> Resource:
    names = dict.fromkeys(way.chain for way in WAYS)
    filters = "extensions.filters.listener."
    head = {
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "listener_filters": [
            extension("dialled", f"{filters}proxy_protocol.v3.ProxyProtocol"),
            extension("tls", f"{filters}tls_inspector.v3.TlsInspector"),
            detecting_at([80, 91, 443]),
        ],
        "listener_filters_timeout": "0.2s",
        "continue_on_listener_filters_timeout": True,
        "filter_chains": [],
    }
    matcher = {"filter_chain_matcher": matcher_of(WAYS, "last")}
    chains = (*map(chain, names), chain("last"))
    return Resource(name="l", body=Assembled(head, "filter_chains", chains, beside=matcher))


def hello(name: str) -> bytes:
    """What a client of TLS says first."""
    said = ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), said, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return said.read()


async def ask(port: int, address: str, dialled: int, said: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    kind, source = ("TCP6", "::1") if ":" in address else ("TCP4", "127.0.0.1")
    writer.write(f"PROXY {kind} {source} {address} 5555 {dialled}\r\n".encode() + said)
    try:
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()


def test_envoy_chooses_as_the_evaluator_of_the_tests_does(tmp_path: Path) -> None:
    async def scene(server: XdsServer, envoy: EnvoyProcess) -> None:
        port = free_port()
        made = Encoder().encode(Snapshot(resources={kind: {} for kind in ORDER} | {LISTENER: {"l": listener(port)}}))
        server.publish("n1", made)
        await server.accepted("n1", {(LISTENER, "l"): made[LISTENER]["l"].version}, 30)
        await envoy.wait_ready(30)
        wanted, found = {}, {}
        for address, dialled in PLACES:
            for what, (protocol, said) in SAID.items():
                plain = Dialled(address, dialled, protocol=protocol)
                wanted[plain, what] = matched(matcher_of(WAYS, "last"), plain)
                found[plain, what] = ask(port, address, dialled, said)
            for name in NAMES:
                secure = Dialled(address, dialled, server_name=name.lower(), transport="tls")
                wanted[secure, name] = matched(matcher_of(WAYS, "last"), secure)
                found[secure, name] = ask(port, address, dialled, hello(name))
        answers = await asyncio.gather(*found.values())
        assert dict(zip(found, answers, strict=True)) == wanted
        assert len(set(wanted.values())) == len(WAYS) + 1  # each of them, and none

    play(tmp_path, scene)
