"""The lines of the cross-platform interface, and a server that says what the test wants."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tandem.base.secret import Secret
from tandem.drivers.wireguard import uapi
from tandem.drivers.wireguard.keys import public_of, to_raw
from tandem.drivers.wireguard.port import Delta, Held, WireguardError
from tandem.drivers.wireguard.uapi import Uapi, lines, parse
from unit.drivers.wireguard.cases import KEY, OTHER, THIRD


def playing(tmp_path: Path, answer: str, delta: Delta | None) -> tuple[str, Held | None]:
    """Read, or apply, with a server that answers so; returns what it heard, and what was read."""
    heard: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\n\n")).decode())
        writer.write(answer.encode())
        writer.close()

    async def main() -> Held | None:
        server = await asyncio.start_unix_server(serve, tmp_path / "wg.sock")
        try:
            driver = Uapi(tmp_path / "wg.sock")
            if delta is None:
                return await driver.read()
            await driver.apply(delta)
            return None
        finally:
            server.close()

    found = asyncio.run(main())
    return heard[0], found


def test_a_change_is_said_line_by_line() -> None:
    delta = Delta(key=KEY, port=7, remove=(THIRD.key,), put=(OTHER, THIRD))
    assert list(lines(delta)) == [
        f"private_key={'01' * 32}",
        "listen_port=7",
        f"public_key={to_raw(THIRD.key).hex()}",
        "remove=true",
        f"public_key={to_raw(OTHER.key).hex()}",
        "endpoint=192.0.2.2:51820",
        "replace_allowed_ips=true",
        "allowed_ip=10.244.1.0/24",
        "allowed_ip=fd00:1::/64",
        f"public_key={to_raw(THIRD.key).hex()}",
        "endpoint=[2001:db8::3]:4321",
        "replace_allowed_ips=true",
        "allowed_ip=10.244.2.0/24",
    ]


def test_an_answer_is_read_and_the_private_key_in_it_is_not_kept(tmp_path: Path) -> None:
    answer = (
        f"private_key={'01' * 32}\nlisten_port=51820\n"
        f"public_key={to_raw(THIRD.key).hex()}\npreshared_key={'00' * 32}\nendpoint=[2001:db8::3]:4321\n"
        "last_handshake_time_sec=7\nlast_handshake_time_nsec=8\ntx_bytes=1\nallowed_ip=10.244.2.0/24\n"
        f"public_key={to_raw(OTHER.key).hex()}\nendpoint=192.0.2.2:51820\n"
        "allowed_ip=fd00:1::/64\nallowed_ip=10.244.1.0/24\nerrno=0\n\n"
    )
    heard, held = playing(tmp_path, answer, None)
    assert heard == "get=1\n\n"
    assert held == Held(
        key=public_of(Secret(bytes([1] * 32))),
        port=51820,
        peers=tuple(sorted((OTHER, THIRD))),
        handshakes={THIRD.key: 7, OTHER.key: 0},
    )
    assert "0101" not in repr(held)


def test_a_device_without_key_and_peers_holds_nothing() -> None:
    assert parse([("listen_port", "1234"), ("errno", "0")]) == Held(port=1234)


@pytest.mark.parametrize("answer", ["errno=-22\n\n", "", "errno=1\n"])
def test_a_refusal_is_told_without_what_was_asked(tmp_path: Path, answer: str) -> None:
    with pytest.raises(WireguardError, match=r"wg\.sock: set: errno") as caught:
        playing(tmp_path, answer, Delta(key=KEY))
    assert "0101" not in str(caught.value)


def test_an_absent_server_is_told_with_its_socket(tmp_path: Path) -> None:
    with pytest.raises(WireguardError, match=r"wg\.sock: get"):
        asyncio.run(Uapi(tmp_path / "wg.sock").read())


def test_what_a_killed_process_left_is_removed_and_the_sockets_of_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "wireguard"
    monkeypatch.setattr(uapi, "SOCKETS", folder)
    uapi.forget("wgtd1")
    folder.mkdir()
    for name in ("wgtd1.sock", "wg0.sock"):
        (folder / name).touch()
    uapi.forget("wgtd1")
    assert [p.name for p in folder.iterdir()] == ["wg0.sock"]
    (folder / "wg0.sock").unlink()
    uapi.forget("wgtd1")
    assert not folder.exists()
