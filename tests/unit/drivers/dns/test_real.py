"""Reading Unbound's lists, and its refusals, with a server that says what the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from tandem.drivers.dns.config import NOWHERE
from tandem.drivers.dns.plan import Change, Delta
from tandem.drivers.dns.port import DnsError
from tandem.drivers.dns.real import UnboundRecords, parse_records, parse_upstreams
from tandem.state.dns import Record
from unit.drivers.dns.running import run

LISTED = """\
cluster.local.\t5\tIN\tSOA\tns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5

localhost.\t10800\tIN\tA\t127.0.0.1

_http._tcp.web.svc.cluster.local.\t5\tIN\tSRV\t0 100 80 web.svc.cluster.local.

"""
WEB = Record("web.", "A", "10.96.1.1")
WILD = frozenset({Record("*.example.com.", "A", "192.0.2.9")})


def test_only_our_records_are_read() -> None:
    assert parse_records(LISTED) == {
        Record("_http._tcp.web.svc.cluster.local.", "SRV", "0 100 80 web.svc.cluster.local.")
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (". IN forward 192.0.2.1 192.0.2.2\n", ("192.0.2.1", "192.0.2.2")),
        (f". IN forward {NOWHERE}\n", ()),
        ("", ()),
        ("cluster.local. IN stub prime 127.116.0.53\n", ()),
    ],
)
def test_upstreams_are_those_of_the_root(text: str, found: tuple[str, ...]) -> None:
    assert parse_upstreams(text) == found


def played(path: Path, said: Mapping[str, str], delta: Delta) -> list[str]:
    """What is asked, of a server that says `said` by the first word of a command."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode().removeprefix("UBCT1 ").strip())
        writer.write(said.get(asked[-1].split()[0], "ok\n").encode())
        writer.close()

    async def main() -> None:
        async with await asyncio.start_unix_server(answer, path):
            driver = UnboundRecords(path, path.with_name("zone"))
            driver.domain = "cluster.local."
            await driver.apply(delta)

    run(main())
    return asked


def test_the_authority_changes_first_and_its_cache_is_emptied(tmp_path: Path) -> None:
    change = Change(remove=("db.",), add=(WEB,))
    said = {"local_datas": "added 1 datas\n", "view_local_datas": "added 1 datas\n"}
    assert played(tmp_path / "s", said, Delta(authority=change, front=change, wildcards=WILD, upstreams=())) == [
        "view_local_datas_remove authority",
        "view_local_datas authority",
        "flush_zone cluster.local.",
        "local_datas_remove",
        "local_datas",
        "auth_zone_reload wildcards.tandem",
        f"forward_add . {NOWHERE}",
        "flush_infra all",
    ]


def test_a_refused_record_is_told(tmp_path: Path) -> None:
    said = {"local_datas": "error parsing local-data at line 1\nadded 0 datas\n"}
    with pytest.raises(DnsError, match="error parsing"):
        played(tmp_path / "s", said, Delta(front=Change(add=(WEB,))))


def test_a_server_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(DnsError, match=r"status: .*No such file"):
        run(UnboundRecords(tmp_path / "none", tmp_path / "zone").version())
