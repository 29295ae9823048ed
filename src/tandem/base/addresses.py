"""IP addresses and prefixes as text: their family, and the prefix of one host."""

from __future__ import annotations

from typing import Final

IPV4, IPV6 = 4, 6
FAMILIES: Final = (IPV4, IPV6)
HOST_BITS: Final = {IPV4: 32, IPV6: 128}
"""The length of a prefix that holds one address."""
EVERYTHING: Final = {IPV4: "0.0.0.0/0", IPV6: "::/0"}
"""The prefix of the default route."""
UNSPECIFIED: Final = {IPV4: "0.0.0.0", IPV6: "::"}  # noqa: S104 - "every address", nothing listens
"""What stands for every address of a family."""


def family(text: str) -> int:
    """4 or 6, of an address or prefix that was checked before."""
    return IPV6 if ":" in text else IPV4


def host_prefix(address: str) -> str:
    """`10.244.0.5/32`, `fd00::5/128`."""
    return f"{address}/{HOST_BITS[family(address)]}"
