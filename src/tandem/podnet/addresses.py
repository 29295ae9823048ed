"""Which addresses a pod gets: what control gave the node, minus what the journal knows to be in use.

In: the node's pool at this moment, the journal, the time. Out: one address per family, or a VerbError and none. Nothing
is asked of anybody as long as an address of the node is free.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tandem.base.clock import Clock
from tandem.ipam.journal import Journal, use_of
from tandem.ipam.pool import ANY, AddressRefusedError, ElsewhereError, Pool, PoolFullError, Wanted
from tandem.podnet.request import Code, VerbError

COOL_DOWN: Final = 30.0
WAIT_SECONDS: Final = 3.0
"""How long an ADD waits for an address to cool down, and for control to give the node more of them."""
LOOK_SECONDS: Final = 0.25
T = TypeVar("T")
More = Callable[[float], Awaitable[bool]]
"""Waits so many seconds for more addresses; False at once where none can come."""


class ShortError(VerbError):
    """The address, or any, is not to be had now, and may be in a moment."""


class Addresses:
    """One per node."""

    def __init__(self, journal: Journal, pool: Callable[[], Pool], clock: Clock, *, cool_down: float) -> None:
        self._journal = journal
        self._pool = pool
        self._clock = clock
        self._cool_down = cool_down

    def give(self, wanted: Wanted = ANY) -> tuple[str, ...]:
        """One address of each family of the node; they are taken once they are in the journal."""
        try:
            use = use_of(self._journal, self._clock, cool_down=self._cool_down)
            return self._pool().give(wanted, use)
        except ElsewhereError as error:
            raise (ShortError if wanted.known else VerbError)(Code.ADDRESS_REFUSED, str(error)) from None
        except AddressRefusedError as error:
            raise VerbError(Code.ADDRESS_REFUSED, str(error)) from None
        except PoolFullError as error:
            raise ShortError(Code.POOL_FULL, str(error)) from None


def with_asked(wanted: Wanted, addresses: tuple[str, ...]) -> Wanted:
    """With the addresses that the Pod itself asks for, in its own words, where the runtime asks for none."""
    if not addresses or wanted.addresses or wanted.ranges:
        return wanted
    found: dict[int, str] = {}
    for text in addresses:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            what = f"annotation tandem.io/ip-addresses: an IP address, not {text!r}"
            raise VerbError(Code.ADDRESS_REFUSED, what) from None
        if address.version in found:
            what = f"annotation tandem.io/ip-addresses: {', '.join(addresses)}: a pod has one address of a family"
            raise VerbError(Code.ADDRESS_REFUSED, what)
        found[address.version] = str(address)
    return Wanted(addresses=tuple(found.values()), known=True)


async def patiently(attempt: Callable[[], T], more: More) -> T:
    """The attempt, again as long as it is short of addresses and more may come."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAIT_SECONDS
    while True:
        try:
            return attempt()
        except ShortError:
            left = deadline - loop.time()
            if left <= 0 or not await more(min(left, LOOK_SECONDS)):
                raise
