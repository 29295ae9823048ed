"""NftDriver over libnftables, in process: no `nft` is executed, nothing is listed.

A call with a namespace runs in a thread of its own that enters it and ends; so no other thread ever changes
namespace. The library's context is not thread-safe: each call has its own.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from tandem.base.memory import give_back
from tandem.base.netns import in_netns
from tandem.base.problems import DriverError
from tandem.drivers.nft import questions
from tandem.drivers.nft.commands import Counted, commands, removal
from tandem.drivers.nft.elements import answers, batch, expected
from tandem.drivers.nft.netlink import Netlink
from tandem.drivers.nft.plan import Delta, apply
from tandem.drivers.nft.remembered import put_back, replaced, replaces
from tandem.state import nft, ownership

T = TypeVar("T")

LARGE: Final = 1 << 16
"""Bytes of a transaction from which on its memory, some forty times as much, is worth giving back."""
JSON_OUTPUT: Final = 1 << 4
"""NFT_CTX_OUTPUT_JSON of libnftables."""


class Libnftables:
    """NftDriver of one table in one network namespace (`netns`: its path; empty: the process's own)."""

    def __init__(self, netns: str = "", *, table: str = ownership.TABLE, family: str = "inet") -> None:
        self._netns = netns
        self._table = table
        self._family = family
        self._applied: nft.Ruleset | None = None
        self._netlink = Netlink()

    def read(self) -> nft.Ruleset | None:
        """What was applied last by this object."""
        return self._applied

    def apply(self, delta: Delta) -> None:
        """One transaction. A table that an earlier agent left is replaced, and keeps what its rules have remembered."""
        elements = batch(delta, self._table, self._family)
        if elements is not None:
            self._send(elements)
            self._applied = self._after(delta)
            return
        text = self._commands(delta)
        kept = "".join(map(self._remembered, replaced(delta)))
        try:
            self._run(text + kept)
        except DriverError:
            if not kept:
                raise
            self._run(text)
        self._applied = self._after(delta)

    def _after(self, delta: Delta) -> nft.Ruleset:
        applied = delta.after if delta.after is not None else apply(delta, self._applied)
        return msgspec.structs.replace(applied, table=self._table) if applied.table != self._table else applied

    def _commands(self, delta: Delta) -> str:
        if not replaces(delta):
            return commands(delta, self._table, self._family)
        before: Counted = {}
        with suppress(DriverError):
            before = self._counted()
        text = commands(delta, self._table, self._family, before)
        # What is not there is not deleted: a transaction waits until the kernel has let go of what the one before has
        # deleted, some 15 ms, and after a flush by somebody else those are open.
        return text if self.present() else text.removeprefix(removal(self._table, self._family) + "\n")

    def _remembered(self, declared: nft.Map) -> str:
        table = f"{self._family} {self._table}"
        try:
            return put_back(declared, listing(f"list map {table} {declared.name}", self._netns), table)
        except DriverError:
            return ""

    def _counted(self) -> Counted:
        """Nothing for a table that is not there."""
        return self._ask(questions.counters(self._table, self._family), questions.counted)

    def counted(self) -> Mapping[str, int]:
        """Packets by counter."""
        found = self._counted()
        if not found and not self.present():
            raise DriverError(f"nftables: there is no table {self._family} {self._table}")
        return {name: packets for name, (packets, _) in found.items()}

    def forget(self) -> None:
        """Know nothing any more."""
        self._applied = None

    def present(self) -> bool:
        """Whether the kernel has the table."""
        return self._ask(questions.presence(self._table, self._family), questions.is_present)

    def remove(self) -> None:
        """Deletes our table."""
        self._run(removal(self._table, self._family))
        self._applied = None

    def _send(self, elements: bytes) -> None:
        self._over(partial(_send, elements))

    def _ask(self, question: bytes, read: Callable[[list[bytes]], T]) -> T:
        try:
            return self._over(lambda netlink: read(netlink.ask(question, questions.complete)))
        except OSError as err:
            raise DriverError(f"nftables: no answer of the kernel: {err}") from err

    def _over(self, work: Callable[[Netlink], T]) -> T:
        """Done with a socket of the table's namespace."""
        if not self._netns:
            return work(self._netlink)
        netlink = Netlink()  # of a pod's namespace, which must be able to end: not kept
        try:
            return self._inside(lambda: work(netlink))
        finally:
            netlink.close()

    def _run(self, text: str) -> None:
        if not self._netns:
            _transact(text, free=_free_later)
            return
        self._inside(partial(_transact, text))

    def _inside(self, work: Callable[[], T]) -> T:
        try:
            return in_netns(self._netns, work)
        except OSError as err:
            raise DriverError(f"nftables: network namespace {self._netns}: {err.strerror}") from err


def listing(command: str, netns: str = "") -> list[dict[str, Any]]:
    """The objects that a `list …` command tells of; raises DriverError if the kernel has no such thing."""
    run = partial(_transact, command, json_output=True, free=_free_all)
    try:
        text = in_netns(netns, run) if netns else run()
    except OSError as err:
        raise DriverError(f"nftables: network namespace {netns}: {err.strerror}") from err
    found: list[dict[str, Any]] = json.loads(text or "{}").get("nftables", [])
    return found


def _send(elements: bytes, netlink: Netlink) -> None:
    """One batch by our own hand; raises DriverError with the kernel's word if it refuses, and then nothing is done."""
    number, found = expected(elements), list[str]()

    def complete(chunks: list[bytes]) -> bool:
        found.extend(answers(chunks[-1]) if chunks else ())
        return len(found) >= number

    try:
        netlink.ask(elements, complete, answers=number)
    except OSError as err:
        raise DriverError(f"nftables: no word of the kernel on a transaction: {err}") from err
    if refusals := [text for text in found if text]:
        raise DriverError(f"nftables refused the transaction: {refusals[0]}")


def _library() -> ctypes.CDLL:
    try:
        lib = ctypes.CDLL("libnftables.so.1")
    except OSError as err:
        raise DriverError(f"libnftables.so.1 cannot be loaded ({err}); install the Debian package nftables") from err
    lib.nft_ctx_new.restype = ctypes.c_void_p
    lib.nft_ctx_new.argtypes = [ctypes.c_uint32]
    for name in ("nft_ctx_free", "nft_ctx_buffer_error", "nft_ctx_buffer_output"):
        getattr(lib, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_get_error_buffer", "nft_ctx_get_output_buffer"):
        getattr(lib, name).restype = ctypes.c_char_p
        getattr(lib, name).argtypes = [ctypes.c_void_p]
    lib.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    lib.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return lib


def _free(lib: ctypes.CDLL, context: int, size: int) -> None:
    """End a context; its socket waits until the kernel has let go of what was deleted (`netlink.py`)."""
    lib.nft_ctx_free(context)
    if size > LARGE:
        give_back()


def _free_all(lib: ctypes.CDLL, context: int, _: int) -> None:
    """After a listing: of a table libnftables reads every set, however short the question is."""
    _free(lib, context, LARGE + 1)


def _free_later(lib: ctypes.CDLL, context: int, size: int) -> None:
    _FREEING.submit(_free, lib, context, size)


_FREEING: Final = ThreadPoolExecutor(1, thread_name_prefix="nft-free")


def _transact(text: str, *, json_output: bool = False, free: Callable[[ctypes.CDLL, int, int], None] = _free) -> str:
    lib = _library()
    context = lib.nft_ctx_new(0)
    if not context:
        raise DriverError("nftables: no context; is the process root?")
    try:
        lib.nft_ctx_buffer_error(context)
        lib.nft_ctx_buffer_output(context)
        if json_output:
            lib.nft_ctx_output_set_flags(context, JSON_OUTPUT)
        if lib.nft_run_cmd_from_buffer(context, text.encode()) != 0:
            said = (lib.nft_ctx_get_error_buffer(context) or b"").decode(errors="replace")
            raise DriverError(f"nftables refused the transaction: {said.strip() or 'no reason given'}")
        output: bytes = lib.nft_ctx_get_output_buffer(context) or b""
        return output.decode(errors="replace")
    finally:
        free(lib, context, len(text))
