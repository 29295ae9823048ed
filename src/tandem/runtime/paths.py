"""How long a packet each path to another node carries, found by probes that nobody may fragment.

In: addresses, and the length that pods send. Out: the length that is carried; 0: nobody answers. One probe at the full
length is all that a sound path costs; a narrower one is found by halving.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from tandem.base.addresses import IPV4, IPV6, family
from tandem.drivers.probe.port import Prober

LEAST: Final = {IPV4: 576, IPV6: 1280}
"""What every path carries (RFC 791, section 3.1; RFC 8200, section 5)."""
TRIES: Final = 3
"""A single lost packet is no narrow path."""
SECONDS: Final = 0.4


async def carried(prober: Prober, addresses: Iterable[str], length: int) -> dict[str, int]:
    """The longest packet up to `length` that each path carries."""
    wanted = sorted(addresses)
    whole = await _answering(prober, dict.fromkeys(wanted, length))
    narrow = [a for a in wanted if a not in whole]
    alive = await _answering(prober, {a: min(LEAST[family(a)], length) for a in narrow})
    low = {a: min(LEAST[family(a)], length) for a in alive}
    high = dict.fromkeys(alive, length)
    while middle := {a: (low[a] + high[a]) // 2 for a in low if high[a] - low[a] > 1}:
        passed = await _answering(prober, middle)
        low |= {a: size for a, size in middle.items() if a in passed}
        high |= {a: size for a, size in middle.items() if a not in passed}
    return {a: length if a in whole else low.get(a, 0) for a in wanted}


async def _answering(prober: Prober, sizes: Mapping[str, int]) -> frozenset[str]:
    left, found = dict(sizes), frozenset[str]()
    for _ in range(TRIES):
        if not left:
            break
        found |= await asyncio.to_thread(prober.echo, left, SECONDS)
        left = {a: size for a, size in left.items() if a not in found}
    return found
