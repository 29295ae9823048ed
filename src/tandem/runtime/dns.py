"""The loop that puts a NodeView in force in the node's DNS server, and follows the machine's list of name servers.

In: the newest NodeView, /etc/resolv.conf. Out: records and upstreams of the running server; what it refused.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Container, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

import structlog

from tandem.base.problems import DriverError
from tandem.compile.dns import compile_hosts, compile_records, compile_settings, names_of
from tandem.drivers.dns.plan import Held, Records, desired, plan
from tandem.drivers.dns.port import DnsDriver
from tandem.drivers.process.daemon import Serves
from tandem.ir.node import NodeView
from tandem.runtime.views import Numbered, Views, newest_of
from tandem.state.dns import Answers, DnsSettings

log = structlog.get_logger()

RESOLV_CONF: Final = Path("/etc/resolv.conf")
LOOK_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 0.05
PATIENCE: Final = 5.0
"""A server that has just been started is given so long before it is a problem that it does not answer."""


class Server(Serves, Protocol):
    """What the loop needs of the process."""

    answers: Answers

    def want(self, settings: DnsSettings) -> None:
        """Run with these settings."""


class DnsLoop:
    """Keeps one server's records equal to the newest view."""

    def __init__(self, server: Server, driver: DnsDriver, resolv_conf: Path = RESOLV_CONF) -> None:
        self._server = server
        self._driver = driver
        self._resolv_conf = resolv_conf
        self._held: Held | None = None
        self._read_of = 0
        self._clients: set[str] = set()
        self._failing = 0.0
        self.failed: Mapping[str, str] = {}

    async def run(self, views: Views) -> None:
        """Apply each newest view; look at the list of name servers every second; try again what failed."""
        seen = -1
        before: NodeView | None = None
        records: Records = frozenset()
        hosts: Records = frozenset()
        while True:
            seen, newest = await self._next(views, seen)
            view = newest.view
            if before is None or _named(before) != _named(view):
                records, hosts = compile_records(view), compile_hosts(view)
            before = view
            upstreams = read_upstreams(self._resolv_conf, own=view.config.dns_addresses)
            self._server.answers = Answers(records=records, hosts=hosts, upstreams=upstreams)
            self._server.want(self._growing(compile_settings(view)))
            await self._apply(self._server.answers)

    def _growing(self, settings: DnsSettings) -> DnsSettings:
        """Who may ask stays one who may: prefixes of other plugins' pods come and go, and each change is a restart."""
        self._clients |= set(settings.clients)
        return replace(settings, clients=tuple(sorted(self._clients)))

    async def _apply(self, answers: Answers) -> None:
        started = self._server.started.value
        if not started:
            return
        try:
            if self._held is None or self._read_of != started:
                self._held, self._read_of = await self._driver.read(), started
            if delta := plan(self._held, answers):
                self._held = None
                await self._driver.apply(delta)
            self._held = desired(answers)
            self._failing, self.failed = 0.0, {}
        except DriverError as err:
            self._held = None
            self._failing += RETRY_SECONDS
            if self._failing > PATIENCE and not self.failed:
                log.error("DNS records are not in force", error=str(err))
                self.failed = {"dns": str(err)}

    async def _next(self, views: Views, seen: int) -> tuple[int, Numbered]:
        """The newest view: when it is new, when a server started, or after a moment."""
        if self._failing:
            await asyncio.sleep(RETRY_SECONDS)
            seen = -1
        return await newest_of(views, seen, (self._server.started, self._read_of), retry=LOOK_SECONDS)


def read_upstreams(path: Path, *, own: Container[str]) -> tuple[str, ...]:
    """The name servers of a resolv.conf but for our own addresses, which would ask itself for ever."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines]
    found = (word[1] for word in words if len(word) > 1 and word[0] == "nameserver")
    return tuple(server for server in dict.fromkeys(found) if server not in own and _is_address(server))


def _named(view: NodeView) -> tuple[object, ...]:
    """What records are made of."""
    return view.config, view.services, view.endpoints, names_of(view)


def _is_address(text: str) -> bool:
    try:
        return "%" not in str(ipaddress.ip_address(text))
    except ValueError:
        return False
