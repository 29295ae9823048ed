"""WireGuard's cross-platform interface, which wireguard-go serves on a unix socket: `key=value` lines, keys as hex."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tandem.base.addresses import IPV6, family
from tandem.base.secret import Secret
from tandem.drivers.wireguard.keys import public_of, to_raw, to_text
from tandem.drivers.wireguard.port import Delta, Held, WireguardError
from tandem.state.wireguard import WireguardPeer

SOCKETS: Final = Path("/var/run/wireguard")
"""Where a device's socket is is the same for every implementation, and cannot be chosen."""
DEADLINE: Final = 10.0


def socket_of(device: str) -> Path:
    """The socket of a device."""
    return SOCKETS / f"{device}.sock"


def forget(device: str) -> None:
    """Remove what a process that was killed has left of its socket, and the folder if nobody else's is in it."""
    socket_of(device).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        SOCKETS.rmdir()


class Uapi:
    """WireguardDriver of the device behind one socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def read(self) -> Held:
        """`get=1`; the private key in the answer is not kept."""
        return parse(await self._ask("get=1\n\n"))

    async def apply(self, delta: Delta) -> None:
        """`set=1`."""
        await self._ask("".join(f"{line}\n" for line in ("set=1", *lines(delta), "")))

    async def _ask(self, text: str) -> list[tuple[str, str]]:
        what = text.partition("=")[0]
        try:
            async with asyncio.timeout(DEADLINE):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                try:
                    writer.write(text.encode())
                    said = []
                    while line := (await reader.readline()).decode().strip():
                        name, _, value = line.partition("=")
                        said.append((name, value))
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError) as error:
            raise WireguardError(f"{self._socket}: {what}: {error or type(error).__name__}") from error
        code = dict(said).get("errno", "no answer")
        if code != "0":
            # Never what was asked: it may have the private key in it.
            raise WireguardError(f"{self._socket}: {what}: errno {code}")
        return said


def lines(delta: Delta) -> Iterator[str]:
    """A change in the order in which it is carried out."""
    if delta.key is not None:
        yield f"private_key={delta.key.reveal().hex()}"
    if delta.port is not None:
        yield f"listen_port={delta.port}"
    for key in delta.remove:
        yield f"public_key={to_raw(key).hex()}"
        yield "remove=true"
    for peer in delta.put:
        yield f"public_key={to_raw(peer.key).hex()}"
        yield f"endpoint={_endpoint(peer)}"
        yield "replace_allowed_ips=true"
        yield from (f"allowed_ip={prefix}" for prefix in peer.allowed)


def parse(said: list[tuple[str, str]]) -> Held:
    """The answer to `get=1`: fields of the device, then those of each peer after its public key."""
    key, port = "", 0
    peers: list[dict[str, Any]] = []
    for name, value in said:
        if name == "public_key":
            peers.append({"key": to_text(bytes.fromhex(value)), "address": "", "allowed": []})
        elif name == "allowed_ip":
            peers[-1]["allowed"].append(value)
        elif name == "endpoint":
            address, _, number = value.rpartition(":")
            peers[-1] |= {"address": address.strip("[]"), "port": int(number)}
        elif name == "last_handshake_time_sec":
            peers[-1]["handshake"] = int(value)
        elif name == "private_key":
            key = public_of(Secret(bytes.fromhex(value)))
        elif name == "listen_port":
            port = int(value)
    found = [
        WireguardPeer(key=p["key"], address=p["address"], port=p.get("port", 0), allowed=tuple(sorted(p["allowed"])))
        for p in peers
    ]
    handshakes = {p["key"]: p.get("handshake", 0) for p in peers}
    return Held(key=key, port=port, peers=tuple(sorted(found)), handshakes=handshakes)


def _endpoint(peer: WireguardPeer) -> str:
    return f"[{peer.address}]:{peer.port}" if family(peer.address) == IPV6 else f"{peer.address}:{peer.port}"
