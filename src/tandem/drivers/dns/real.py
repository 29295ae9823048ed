"""The real DnsDriver: Unbound's control protocol (`UBCT1`) over its unix socket, one command per connection."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tandem.drivers.dns.config import AUTHORITY, NOWHERE
from tandem.drivers.dns.plan import Change, Delta, Held, Records
from tandem.drivers.dns.port import DnsError
from tandem.drivers.dns.wildcards import MODE, ZONE, held, zone_text
from tandem.state.dns import TTL, Record

DEADLINE: Final = 10.0
_VERSION: Final = re.compile(r"^version: (\S+)", re.MULTILINE)


class UnboundRecords:
    """The records of the Unbound behind one control socket; `domain` is the cluster domain, once it is known.

    `wildcards` is the file of that zone.
    """

    def __init__(self, socket: Path, wildcards: Path) -> None:
        self._socket = socket
        self._wildcards = wildcards
        self.domain = ""

    async def read(self) -> Held:
        """List both trees, wildcards and the upstreams."""
        front = await self._ask("list_local_data")
        authority = await self._ask(f"view_list_local_data {AUTHORITY}")
        forwards = await self._ask("list_forwards")
        file = self._wildcards.read_text(encoding="utf-8") if self._wildcards.exists() else ""
        return Held(
            front=parse_records(front),
            authority=parse_records(authority),
            wildcards=held(await self._ask("list_auth_zones"), file),
            upstreams=parse_upstreams(forwards),
        )

    async def apply(self, delta: Delta) -> None:
        """Authority first, then the cache of what it said before, then the front."""
        await self._change(delta.authority, prefix="view_", view=f" {AUTHORITY}")
        if delta.authority and self.domain:
            await self._ask(f"flush_zone {self.domain}")
        await self._change(delta.front, prefix="", view="")
        if delta.wildcards is not None:
            self.write_wildcards(delta.wildcards)
            await self._ask(f"auth_zone_reload {ZONE}")
        if delta.upstreams is not None:
            await self._ask(f"forward_add . {' '.join(delta.upstreams or (NOWHERE,))}")
            await self._ask("flush_infra all")

    def write_wildcards(self, records: Records) -> None:
        """The file, from which a server loads them."""
        self._wildcards.write_text(zone_text(records, self.domain), encoding="utf-8")
        self._wildcards.chmod(MODE)

    async def version(self) -> str:
        """Its version; raises DnsError while it does not answer."""
        found = _VERSION.search(await self._ask("status"))
        return found[1] if found else ""

    async def _change(self, change: Change, *, prefix: str, view: str) -> None:
        if change.remove:
            await self._ask(f"{prefix}local_datas_remove{view}", change.remove)
        if change.add:
            said = await self._ask(f"{prefix}local_datas{view}", [str(record) for record in change.add])
            if f"added {len(change.add)} datas" not in said:
                raise DnsError(f"the DNS server refuses records: {said.strip()}")

    async def _ask(self, command: str, lines: Sequence[str] = ()) -> str:
        text = "".join(_sent(command, lines)).encode()
        try:
            async with asyncio.timeout(DEADLINE):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                try:
                    writer.write(text)
                    said = (await reader.read()).decode(errors="replace")
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise DnsError(f"{self._socket}: {command}: {error or type(error).__name__}") from error
        if said.startswith("error"):
            raise DnsError(f"{self._socket}: {command}: {said.strip()}")
        return said


def _sent(command: str, lines: Sequence[str]) -> Iterable[str]:
    yield f"UBCT1 {command}\n"
    yield from (f"{line}\n" for line in lines)
    if lines:
        yield "\x04\n"


def parse_records(text: str) -> frozenset[Record]:
    """Our records of a list of local data: Unbound's own have another TTL, and SOA belongs to the zone."""
    found = set()
    for line in text.splitlines():
        words = line.split(None, 4)
        if len(words) == 5 and words[1] == str(TTL) and words[3] != "SOA":
            found.add(Record(words[0], words[3], words[4]))
    return frozenset(found)


def parse_upstreams(text: str) -> tuple[str, ...]:
    """The addresses of the forward zone `.`."""
    words = next((line.split() for line in text.splitlines() if line.startswith(". ")), [])
    return tuple(word for word in words[3:] if word != NOWHERE)
