"""Reading BIRD's answers, with a server that says what the test wants."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tandem.drivers.bgp.port import BgpError, Session
from tandem.drivers.bgp.real import BirdControl, parse_sessions, write_config
from tandem.state.bgp import BgpSpeaker

SPEAKER = BgpSpeaker(router_id="192.0.2.1", as_number=64512)
PROTOCOLS = """\
2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     2026-11-28 15:16:28
1006-
1002-own_4      Static     master4    up     2026-11-28 15:16:28
1006-  Channel ipv4
     State:          UP
     Routes:         2 imported, 0 exported, 2 preferred
1006-
1002-peer_a     BGP        ---        up     2026-11-28 15:16:29  Established
1006-  BGP state:          Established
     Neighbor address: 192.0.2.2
   Channel ipv4
     State:          UP
     Routes:         2 imported, 1 filtered, 3 exported, 2 preferred
+async said meanwhile
     BGP Next hop:   192.0.2.1
1006-
1002-peer_b     BGP        ---        down   2026-11-28 15:17:21  Error: No listening socket
1006-  BGP state:          Down
     Last error:       Error: No listening socket
1006-
0000 done
"""


def playing(tmp_path: Path, answers: list[str], use: str) -> list[str]:
    """Let the client do one thing with a server that gives these answers; returns what the server heard."""
    heard: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"0001 BIRD 2.0.12 ready.\n")
        heard.append((await reader.readline()).decode().strip())
        writer.write(answers.pop(0).encode())
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_unix_server(serve, tmp_path / "bgp.sock")
        control = BirdControl(tmp_path / "bgp.sock", tmp_path / "bgp.conf")
        try:
            if use == "configure":
                await control.configure(SPEAKER)
            elif use == "version":
                assert await control.version() == "2.0.12"
            else:
                await control.sessions()
        finally:
            server.close()

    asyncio.run(main())
    return heard


def test_sessions_are_read_with_their_counts_and_their_last_error(tmp_path: Path) -> None:
    heard = playing(tmp_path, [PROTOCOLS], "sessions")
    assert heard == ["show protocols all"]
    lines = [(int(line[:4]), line[5:]) if line[:4].isdigit() else (1006, line[1:]) for line in PROTOCOLS.splitlines()]
    assert list(parse_sessions(lines)) == [
        Session(name="a", state="Established", accepted=2, refused=1, announced=3),
        Session(name="b", state="Down", error="Error: No listening socket"),
    ]


def test_a_configuration_is_checked_before_it_becomes_the_file(tmp_path: Path) -> None:
    good = ["0002-Reading\n0020 Configuration OK\n", "0002-Reading\n0003 Reconfigured\n"]
    heard = playing(tmp_path, good, "configure")
    assert heard == [f'configure check "{tmp_path}/bgp.new"', "configure"]
    assert (tmp_path / "bgp.conf").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "bgp.new").exists()


def test_what_is_refused_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "bgp.conf").write_text("before")
    with pytest.raises(BgpError, match="configure: line 3: syntax error"):
        playing(tmp_path, ["0002-Reading\n8002 line 3: syntax error\n"], "configure")
    assert (tmp_path / "bgp.conf").read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bgp.conf", "bgp.sock"]


@pytest.mark.parametrize("answer", ["", "0002-Reading", "what?\n"], ids=["nothing", "half", "no code"])
def test_an_answer_that_is_none_is_an_error(tmp_path: Path, answer: str) -> None:
    with pytest.raises(BgpError, match="show protocols all"):
        playing(tmp_path, [answer], "sessions")


def test_an_absent_server_is_told_with_its_socket(tmp_path: Path) -> None:
    with pytest.raises(BgpError, match=r"bgp\.sock"):
        asyncio.run(BirdControl(tmp_path / "bgp.sock", tmp_path / "bgp.conf").version())


def test_the_version_is_read(tmp_path: Path) -> None:
    playing(tmp_path, ["1000-BIRD 2.0.12\n1011-Router ID is 192.0.2.1\n0013 Daemon is up and running\n"], "version")


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_config(tmp_path / "bgp.conf", SPEAKER)
    assert (tmp_path / "bgp.conf").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    control = BirdControl(tmp_path / "bird.sock", tmp_path / "nowhere" / "bgp.conf")
    with pytest.raises(BgpError, match=r"bgp\.new: No such file"):
        asyncio.run(control.configure(SPEAKER))
