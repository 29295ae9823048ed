"""The journal in a file (WAL), with copies aside (`copies.py`): it survives any kill.

A disk that is full stops what makes something, never what takes something away: a removal that cannot be written is
written with the next change, and after a kill the record is back, of something that is in no kernel any more.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from tandem.base.addresses import family
from tandem.base.clock import Clock, SystemClock
from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.ipam.copies import Copies
from tandem.ipam.journal import EVERY, Attachment, DuplicateError, Key, MemoryJournal, Phase
from tandem.ipam.pool import NEVER

SCHEMA: Final = """
create table if not exists attachments (
    container_id text not null, ifname text not null, record blob not null, primary key (container_id, ifname));
create table if not exists addresses (
    address text primary key, container_id text not null, ifname text not null,
    foreign key (container_id, ifname) references attachments on delete cascade);
create table if not exists cursors (family integer primary key, address text not null);
create table if not exists released (address text primary key, boot text not null, monotonic real not null);
create table if not exists others (address text primary key, container_id text not null, ifname text not null);
"""
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
REMEMBERED: Final = 3600.0
"""Seconds for which it is remembered when an address was given up: longer than any cool-down."""
BOOT: Final = 0.0
"""On the monotonic clock. Without any record no address was given up in this boot, or `rest` is due."""
_ADVICE: Final = (
    "; pods keep their network, but whose address is whose cannot be told any more: move the file and its -wal away, "
    "and the node begins anew, without the pods that it has now"
)
_WHOLE, _TAKING_OVER, _BEGUN = 0, 2, 3
"""States of the file (`pragma user_version`; earlier releases wrote 1 as well): read from copies, or with nothing."""
_RELEASED: Final = "@"
"""Begins the name of a copy that tells when an address was given up: no interface has an empty name."""
_Statement = tuple[str, tuple[Any, ...]]
_log: Final = logging.getLogger(__name__)
_ENCODE: Final = msgspec.json.encode
_DECODER: Final = msgspec.json.Decoder(Attachment)


class SqliteJournal:
    """Journal in a file: one transaction per change, read back at start, mirrored in memory for reading."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._boot = BOOT_ID.read_text().strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._unwritten: list[_Statement] = []
        self._failure = ""
        self._state = _WHOLE
        self._copies = Copies(path.with_suffix(".copies"))
        try:
            self._open()
        except (sqlite3.Error, msgspec.DecodeError) as error:
            if not _is_broken(error) or not self._copies:
                raise DriverError(f"journal {path}: {error}{_ADVICE if _is_broken(error) else ''}") from error
            self._set_aside(error)
        if self._state == _TAKING_OVER:
            self._take_over()
        if self.begins_anew and self.begun() == NEVER and self._clock.monotonic() < REMEMBERED:
            self._rest(BOOT)
        every = {EVERY: self.begun()} if self.begun() > NEVER else {}
        cooling = {_RELEASED + a: self._released_at(time) for a, time in {**self.released(), **every}.items()}
        self._copies.begin({_name(a.key): _ENCODE(a) for a in self.all() if a.phase is Phase.READY} | cooling)

    def _open(self) -> None:
        self._db = sqlite3.connect(self._path, isolation_level=None)
        self._path.chmod(0o600)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.execute("pragma foreign_keys = on")
        (verdict,) = self._db.execute("pragma quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        (self._state,) = self._db.execute("pragma user_version").fetchone()
        if not self._db.execute("select 1 from sqlite_master where name = 'attachments'").fetchone():
            self._state = _TAKING_OVER if self._copies else _BEGUN
            # In one piece: a file that is there must not look like one that was read to its end.
            self._db.executescript(f"begin immediate; {SCHEMA} pragma user_version = {self._state}; commit")
        elif self._state == _TAKING_OVER:  # killed in the middle of it
            self._db.executescript("delete from attachments; delete from cursors; delete from released")
        self._db.executescript(SCHEMA)  # what is new in this release
        self._mirror = self._load()

    def _set_aside(self, error: Exception) -> None:
        """Begin a new file where the old one is damaged."""
        self._db.close()
        aside = self._path.with_suffix(".damaged")
        self._path.rename(aside)
        for rest in ("-wal", "-shm"):
            self._path.with_name(f"{self._path.name}{rest}").unlink(missing_ok=True)
        _log.error("journal %s: %s; it lies at %s now, and copies of its records are read", self._path, error, aside)
        self._open()

    def _take_over(self) -> None:
        """What was READY when the file was lost, and what cooled down; `Verbs.recover` tells whether it still lives.

        It may be repeated: copies are begun anew when all of it is written.
        """
        times: list[_Statement] = []
        for name, data in reversed(self._copies.read().items()):
            try:
                if name.startswith(_RELEASED):
                    times.append(_released_in(name.removeprefix(_RELEASED), data))
                    continue
                self.add(_DECODER.decode(data))
            except (DuplicateError, ValueError) as error:
                _log.error("copy %s of a record: %s", name, error)
        self._be(_WHOLE, times)
        self._mirror.restore(last={}, released=self._load_released())

    def _be(self, state: int, before: Iterable[_Statement] = ()) -> None:
        """In one piece with what is said before."""
        self._write([*before, (f"pragma user_version = {state}", ())])
        self._state = state

    def settle(self) -> None:
        """It has been asked whether records are lost."""
        with suppress(DriverError):  # else it is asked once more
            self._be(_WHOLE)

    def _released_at(self, time: float) -> bytes:
        return f"{self._boot} {time!r}".encode()

    @property
    def begins_anew(self) -> bool:
        """Nothing was there, and nobody has asked why."""
        return self._state == _BEGUN

    def close(self) -> None:
        """Close the files."""
        self._db.close()
        self._copies.close()

    def get(self, key: Key) -> Attachment | None:
        """One attachment."""
        return self._mirror.get(key)

    def all(self) -> tuple[Attachment, ...]:
        """Every attachment, by key."""
        return self._mirror.all()

    def of(self, container_id: ContainerId) -> tuple[Attachment, ...]:
        """The attachments of one container."""
        return self._mirror.of(container_id)

    def taken(self) -> AbstractSet[str]:
        """The addresses of all attachments."""
        return self._mirror.taken()

    def last(self) -> Mapping[int, str]:
        """The address given last of each family."""
        return self._mirror.last()

    def released(self) -> Mapping[str, float]:
        """When addresses were given up."""
        return self._mirror.released()

    def begun(self) -> float:
        """Until when something unknown may have happened."""
        return self._mirror.begun()

    def rest(self) -> None:
        """Nothing that was before is known."""
        self._rest(self._clock.monotonic())

    def _rest(self, since: float) -> None:
        self._mirror.restore(last={}, released={EVERY: since})
        self._keep_released(EVERY, since)
        self._write_removals()

    def others(self) -> Mapping[str, Key]:
        """What others held."""
        return self._mirror.others()

    def note(self, held: Mapping[str, Key]) -> None:
        """What others hold; written where something changed."""
        before, released = dict(self._mirror.others()), dict(self._mirror.released())
        if before == held:
            return
        self._mirror.note(held)
        self._unwritten += [("delete from others where address = ?", (a,)) for a in before.keys() - held.keys()]
        new = [(a, *key) for a, key in held.items() if before.get(a) != key]
        self._unwritten += [("insert or replace into others values (?, ?, ?)", row) for row in new]
        for address, time in self._mirror.released().items() - released.items():
            self._keep_released(address, time)
        self._write_removals()

    def _keep_released(self, address: str, time: float) -> None:
        """To be written with the next change; into the copies at once."""
        self._unwritten.append(("insert or replace into released values (?, ?, ?)", (address, self._boot, time)))
        self._copies.keep(_RELEASED + address, self._released_at(time))

    def add(self, attachment: Attachment) -> None:
        """Write a new one."""
        self._mirror.add(attachment)
        statements: list[_Statement] = [
            ("insert into attachments values (?, ?, ?)", (*attachment.key, _ENCODE(attachment)))
        ]
        for address in attachment.addresses:
            statements.append(("insert into addresses values (?, ?, ?)", (address, *attachment.key)))
            statements.append(("insert or replace into cursors values (?, ?)", (family(address), address)))
        try:
            self._write(statements)
        except DriverError:
            self._mirror.remove(attachment.key)
            raise

    def update(self, attachment: Attachment) -> None:
        """Replace the one with the same key and addresses."""
        before = self._mirror.get(attachment.key)
        self._mirror.update(attachment)
        change = "update attachments set record = ? where container_id = ? and ifname = ?"
        data = _ENCODE(attachment)
        try:
            self._write([(change, (data, *attachment.key))])
        except DriverError:
            if before is not None:
                self._mirror.update(before)
            raise
        if attachment.phase is Phase.READY:
            self._copies.keep(_name(attachment.key), data)

    def remove(self, key: Key) -> None:
        """Forget one."""
        attachment = self._mirror.get(key)
        self._mirror.remove(key)
        self._copies.forget(_name(key))
        gone = attachment.addresses if attachment is not None and attachment.opened else ()
        self._unwritten.append(("delete from attachments where container_id = ? and ifname = ?", key))
        now = self._clock.monotonic()
        for address in gone:
            self._keep_released(address, now)
        self._write_removals()

    def trouble(self) -> str:
        """Tries again what could not be written, or to write at all."""
        if self._failure:
            with suppress(DriverError):
                self._write([("pragma application_id = 1", ())])
        return self._failure

    def _write_removals(self) -> None:
        """What makes room, or is about what is gone, may wait."""
        try:
            self._write([])
        except DriverError as error:
            _log.warning("not written yet: %s", error)

    def _write(self, statements: list[_Statement]) -> None:
        """These, after the removals that wait, or nothing; raises DriverError."""
        try:
            with self._db:
                self._db.execute("begin immediate")
                for statement, values in (*self._unwritten, *statements):
                    self._db.execute(statement, values)
        except sqlite3.Error as error:
            self._failure = f"journal {self._path}: {error}"
            raise DriverError(self._failure) from error
        self._unwritten.clear()
        self._failure = ""

    def _load(self) -> MemoryJournal:
        mirror = MemoryJournal(self._clock)
        for (record,) in self._db.execute("select record from attachments").fetchall():
            mirror.add(_DECODER.decode(record))
        last = dict(self._db.execute("select family, address from cursors").fetchall())
        mirror.restore(last=last, released=self._load_released())
        others = self._db.execute("select address, container_id, ifname from others").fetchall()
        mirror.note({address: (ContainerId(container), ifname) for address, container, ifname in others})
        return mirror

    def _load_released(self) -> dict[str, float]:
        """The wall clock is not asked: within one boot the monotonic clock goes on, and after another all begins anew.

        After a reboot peers may still believe in the old pods, so every address cools down from now on.
        """
        now, found = self._clock.monotonic(), {}
        for address, boot, time in self._db.execute("select address, boot, monotonic from released").fetchall():
            since = time if boot == self._boot and time <= now else now
            if since >= now - REMEMBERED:
                found[address] = since
        change = "update released set boot = ?, monotonic = ? where boot <> ? or monotonic > ?"
        with suppress(sqlite3.OperationalError):  # on a full disk the next start finds the same
            self._db.execute(change, (self._boot, now, self._boot, now))
            self._db.execute("delete from released where monotonic < ?", (now - REMEMBERED,))
        return found


def _name(key: Key) -> str:
    """Of a copy: no interface has an @ or a slash in its name, and no container a slash."""
    return f"{key[1]}@{key[0]}"


def _released_in(address: str, data: bytes) -> _Statement:
    """Of a copy; raises ValueError for what was not written by `_released_at`."""
    boot, _, time = data.decode().partition(" ")
    return "insert or replace into released values (?, ?, ?)", (address, boot, float(time))


def _is_broken(error: Exception) -> bool:
    """True where the file itself is at fault, not the disk below it."""
    return not isinstance(error, sqlite3.OperationalError)


def read_attachments(path: Path) -> tuple[Attachment, ...]:
    """The attachments in a file, by key, beside the agent that may be writing it; empty if there is no file."""
    if not path.exists():
        return ()
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            records = db.execute("select record from attachments order by container_id, ifname").fetchall()
            return tuple(_DECODER.decode(record) for (record,) in records)
    except (sqlite3.Error, msgspec.DecodeError) as error:
        raise DriverError(f"journal {path}: {error}") from error
