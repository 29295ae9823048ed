"""The real BgpDriver: BIRD's control protocol over its unix socket, one command per connection.

An answer is lines of a code of four digits, `-` where more follow, and text; a line that begins with a space goes on
with the code before. Codes from 8000 are errors.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tandem.drivers.bgp.config import SESSION, config_text
from tandem.drivers.bgp.port import BgpError, Session
from tandem.state.bgp import BgpSpeaker

DEADLINE: Final = 10.0
_ERRORS: Final = 8000
_HEAD: Final = 1002
"""First line of one protocol in `show protocols all`; its details follow under another code."""
_VERSION: Final = re.compile(r"BIRD (\S+)")
_ROUTES: Final = re.compile(r"(\d+) (imported|filtered|exported)")
Line = tuple[int, str]


class BirdControl:
    """The BIRD behind one control socket, which reads `config`."""

    def __init__(self, socket: Path, config: Path) -> None:
        self._socket = socket
        self._config = config

    async def configure(self, speaker: BgpSpeaker) -> None:
        """Checked first: what BIRD would refuse never becomes the file that it is started with."""
        scratch = self._config.with_suffix(".new")
        try:
            write_config(scratch, speaker)
            await self._ask(f'configure check "{scratch}"')
            scratch.replace(self._config)
        except OSError as error:  # a full disk
            raise BgpError(f"{scratch}: {error.strerror}") from error
        finally:
            scratch.unlink(missing_ok=True)
        await self._ask("configure")

    async def sessions(self) -> tuple[Session, ...]:
        """Read from the list of all protocols."""
        return tuple(sorted(parse_sessions(await self._ask("show protocols all")), key=lambda s: s.name))

    async def version(self) -> str:
        """Its version; raises BgpError while it does not answer."""
        said = await self._ask("show status")
        return next((found[1] for _, text in said if (found := _VERSION.search(text))), "")

    async def _ask(self, command: str) -> list[Line]:
        lines: list[Line] = []
        try:
            async with asyncio.timeout(DEADLINE):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                try:
                    await reader.readline()  # its greeting
                    writer.write(f"{command}\n".encode())
                    while True:
                        raw = (await reader.readline()).decode(errors="replace").rstrip("\n")
                        if not raw:
                            raise BgpError(f"{self._socket}: {command}: it closed the connection")
                        last = _take(raw, lines)
                        if last:
                            break
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError) as error:
            raise BgpError(f"{self._socket}: {command}: {error or type(error).__name__}") from error
        code, text = lines[-1]
        if code >= _ERRORS:
            raise BgpError(f"{command.split(maxsplit=1)[0]}: {text}")
        return lines


def write_config(path: Path, speaker: BgpSpeaker) -> None:
    """Readable by its owner alone."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(config_text(speaker))


def _take(raw: str, lines: list[Line]) -> bool:
    """Add one line of an answer; true if it was the last."""
    if raw.startswith("+"):  # said meanwhile, no answer
        return False
    if raw.startswith(" "):
        lines.append((lines[-1][0] if lines else 0, raw[1:]))
        return False
    lines.append((int(raw[:4]), raw[5:]))
    return raw[4:5] != "-"


def parse_sessions(lines: list[Line]) -> Iterator[Session]:
    """The sessions of an answer to `show protocols all`."""
    name, details = "", [""]
    for code, text in [*lines, (_HEAD, "")]:
        if code != _HEAD:
            details.append(text)
            continue
        if name:
            yield _session(name, details)
        words = text.split()
        name = words[0].removeprefix(SESSION) if len(words) > 1 and words[1] == "BGP" else ""
        details = []


def _session(name: str, details: list[str]) -> Session:
    told = dict(part for line in details if len(part := [word.strip() for word in line.split(":", 1)]) == 2)
    routes = {kind: int(number) for number, kind in _ROUTES.findall(told.get("Routes", ""))}
    return Session(
        name=name,
        state=told.get("BGP state", "Down"),
        accepted=routes.get("imported", 0),
        refused=routes.get("filtered", 0),
        announced=routes.get("exported", 0),
        error=told.get("Last error", ""),
    )
