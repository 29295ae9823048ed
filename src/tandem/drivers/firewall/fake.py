"""A Firewall without a kernel: tables are what `iptables -S` would print, and are changed as iptables-restore does."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from tandem.base.problems import DriverError
from tandem.drivers.failing import Failing
from tandem.drivers.firewall.chains import FORWARD, Filter, parse
from tandem.drivers.firewall.port import Found


class FakeFirewall(Failing):
    """`lines` may be changed by a test as Docker would do, by (kind, family)."""

    def __init__(self, unread: Iterable[str] = ()) -> None:
        self.lines: dict[tuple[str, int], list[str]] = {}
        self.unread = tuple(unread)

    def read(self) -> Found:
        """What is there."""
        self.may_fail()
        tables = (parse("\n".join(text), kind=k, version=v) for (k, v), text in sorted(self.lines.items()))
        return Found(tables=tuple(tables), unread=self.unread)

    def change(self, table: Filter, text: str) -> None:
        """All of it or nothing."""
        self.may_fail()
        before = self.lines[table.kind, table.version]
        rules = [line for line in before if line.startswith(f"-A {FORWARD} ")]
        for line in text.splitlines()[1:-1]:
            verb, _, rest = line.partition(f" {FORWARD} ")
            if verb == "-D":
                _take_out(rules, rest)
                continue
            number, _, rule = rest.partition(" ")
            if int(number) > len(rules) + 1:
                raise DriverError(f"index of insertion too big: {number}")
            rules.insert(int(number) - 1, f"-A {FORWARD} {rule}")
        others = [line for line in before if not line.startswith(f"-A {FORWARD} ")]
        self.lines[table.kind, table.version] = [*others, *rules]

    def state(self) -> object:
        """The tables themselves."""
        return tuple((key, tuple(text)) for key, text in sorted(self.lines.items()))


def _take_out(rules: list[str], rest: str) -> None:
    wanted = shlex.split(rest)
    for at, rule in enumerate(rules):
        if shlex.split(rule)[2:] == wanted:
            del rules[at]
            return
    raise DriverError(f"does a matching rule exist in that chain? {rest}")
