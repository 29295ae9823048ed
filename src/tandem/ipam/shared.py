"""A journal whose addresses are seen by `host-local`, and which sees those of `host-local`: nobody gives one twice.

In: a journal, and directories of networks of `host-local` on this node. Out: the same journal, in which what others
hold there is taken, and what they gave up was released when that was noticed, be it by the next agent. Each of our
attachments has files there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.ipam.hostlocal import HostLocal
from tandem.ipam.journal import Attachment, DuplicateError, Journal, Key

_log: Final = logging.getLogger(__name__)


class HeldError(DuplicateError):
    """`host-local` has given one of the addresses meanwhile; nothing was written."""


class Either(AbstractSet[str]):
    """Two sets as one, without copying them."""

    def __init__(self, one: AbstractSet[str], other: AbstractSet[str]) -> None:
        self._one, self._other = one, other

    def __contains__(self, item: object) -> bool:
        return item in self._one or item in self._other

    def __iter__(self) -> Iterator[str]:
        yield from self._one
        yield from (item for item in self._other if item not in self._one)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class SharedJournal:
    """Journal over another one and any number of directories."""

    def __init__(self, journal: Journal, directories: tuple[HostLocal, ...] = ()) -> None:
        self._journal = journal
        self._directories: tuple[HostLocal, ...] = ()
        for directory in directories:
            try:
                directory.make()
                self._join(directory)
            except (DriverError, DuplicateError) as error:
                # It stays shared: no address is given that cannot be told there, or that has a file there.
                _log.error("host-local: %s", error)
                self._directories = (*self._directories, directory)
        self._look()

    @property
    def directories(self) -> tuple[HostLocal, ...]:
        """Those that are shared."""
        return self._directories

    def share(self, directory: HostLocal) -> None:
        """From now on; raises HeldError if an address is in use on both sides by different containers."""
        if any(directory.path == one.path for one in self._directories):
            return
        self._join(directory)
        self._look()

    def _join(self, directory: HostLocal) -> None:
        held = directory.held()
        for attachment in self._journal.all():
            for address in attachment.addresses:
                if held.get(address, attachment.key) != attachment.key:
                    what = f"address {address} belongs to container {attachment.container_id} here"
                    raise HeldError(f"{what} and to container {held[address][0]} in {directory.path}")
        for attachment in self._journal.all():
            self._write(attachment, (directory,))
        self._directories = (*self._directories, directory)

    def others(self) -> Mapping[str, Key]:
        """What `host-local` has given, and to whom."""
        self._look()
        return self._journal.others()

    def note(self, held: Mapping[str, Key]) -> None:
        """Said by somebody else than the directories."""
        self._journal.note(held)

    def get(self, key: Key) -> Attachment | None:
        """One attachment."""
        return self._journal.get(key)

    def all(self) -> tuple[Attachment, ...]:
        """Every attachment, by key."""
        return self._journal.all()

    def of(self, container_id: ContainerId) -> tuple[Attachment, ...]:
        """The attachments of one container."""
        return self._journal.of(container_id)

    def taken(self) -> AbstractSet[str]:
        """The addresses of all attachments, and those that `host-local` has given."""
        if not self._directories:
            return self._journal.taken()
        self._look()
        return Either(self._journal.taken(), self._journal.others().keys())

    def last(self) -> Mapping[int, str]:
        """The address given last of each family."""
        return self._journal.last()

    def released(self) -> Mapping[str, float]:
        """When addresses were given up, there as well; of one that was on both sides the last time counts."""
        return self._journal.released()

    @property
    def begins_anew(self) -> bool:
        """Nothing was there."""
        return self._journal.begins_anew

    def settle(self) -> None:
        """It was asked."""
        self._journal.settle()

    def begun(self) -> float:
        """Until when something unknown may have happened."""
        return self._journal.begun()

    def rest(self) -> None:
        """Nothing that was before is known."""
        self._journal.rest()

    def add(self, attachment: Attachment) -> None:
        """Write a new one, and its files."""
        self._journal.add(attachment)
        try:
            self._write(attachment, self._directories)
        except (DriverError, HeldError):
            self._journal.remove(attachment.key)
            raise

    def update(self, attachment: Attachment) -> None:
        """Replace the one with the same key and addresses."""
        self._journal.update(attachment)

    def remove(self, key: Key) -> None:
        """Forget one, and remove its files."""
        attachment = self._journal.get(key)
        self._journal.remove(key)
        for address in attachment.addresses if attachment is not None else ():
            for directory in self._directories:
                try:
                    directory.give_back(address, key)
                except DriverError as error:
                    _log.warning("%s stays in %s: %s", address, directory.path, error)

    def trouble(self) -> str:
        """Why nothing can be written at the moment."""
        return self._journal.trouble()

    def _write(self, attachment: Attachment, directories: tuple[HostLocal, ...]) -> None:
        """All files, or none."""
        written: list[tuple[HostLocal, str]] = []
        try:
            for directory in directories:
                for address in attachment.addresses:
                    _take(directory, address, attachment.key)
                    written.append((directory, address))
        except (DriverError, HeldError):
            for directory, address in written:
                directory.give_back(address, attachment.key)
            raise

    def _look(self) -> None:
        own = self._journal.taken()
        theirs = {}
        for directory in self._directories:
            try:
                theirs.update({a: key for a, key in directory.held().items() if a not in own})
            except DriverError as error:
                # Unreadable is not empty: what was taken stays taken.
                _log.warning("host-local cannot be asked: %s", error)
                return
        self._journal.note(theirs)


def _take(directory: HostLocal, address: str, key: Key) -> None:
    if not directory.take(address, key):
        raise HeldError(f"address {address} was given by host-local ({directory.path}) meanwhile")
