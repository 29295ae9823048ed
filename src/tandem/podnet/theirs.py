"""Addresses that `host-local` holds for containers that are gone: found and given back as leaks of our own are.

Known to be gone is only a container of which the runtime's cache names the namespace, and that namespace is not there
any more. Of all others nothing is known, and they keep their addresses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tandem.base.clock import Clock
from tandem.base.problems import DriverError
from tandem.ipam.journal import Key
from tandem.ipam.shared import SharedJournal

_log: Final = logging.getLogger(__name__)


class Theirs:
    """One per node. `sandbox` says where a container's namespace is, empty if nobody knows."""

    def __init__(self, journal: SharedJournal, sandbox: Callable[[Key], str], clock: Clock, *, grace: float) -> None:
        self._journal = journal
        self._sandbox = sandbox
        self._clock = clock
        self._grace = grace
        self._since: dict[tuple[str, Key], float] = {}

    def observe(self) -> None:
        """One observation; what was gone at an earlier one, the grace period ago, is given back."""
        now = self._clock.monotonic()
        gone = [(address, key) for address, key in self._journal.others().items() if self._is_gone(key)]
        self._since = {one: self._since.get(one, now) for one in sorted(gone)}
        for (address, key), since in self._since.items():
            if 0 < now - since >= self._grace:
                _log.warning("host-local's container %s is gone without a DEL, %s is free", key[0], address)
                self.give_back(address, key)

    def give_back(self, address: str, key: Key) -> bool:
        """Remove host-local's file, if it is still this container's."""
        done = False
        for directory in self._journal.directories:
            try:
                done |= directory.give_back(address, key)
            except DriverError as error:
                _log.warning("%s stays in %s: %s", address, directory.path, error)
        return done

    def _is_gone(self, key: Key) -> bool:
        path = self._sandbox(key)
        return bool(path) and not Path(path).exists()
