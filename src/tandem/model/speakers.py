"""What is known of ports whose Services say nothing: where servers speak first, and where nobody shall look.

Numbers are those of the services register (IANA) and of common images.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tandem.model.core import Service, ServicePort

OPAQUE: Final = "config.linkerd.io/opaque-ports"
"""Annotation of Linkerd on a Service: ports and ranges, separated by commas, that are bytes."""

_LAST: Final = 65535
_SPEAKING_FIRST: Final = (13, 17, 19, 21, 22, 23, 25, 37, 110, 119, 143, 587, 873, 3306, 3307, 4190, 4444, 5900, 33060)
_FORWARDING: Final = (1080, 3128, 8118)
"""Proxies of others: what they are asked are no requests to them."""
_PORTS: Final = frozenset((*_SPEAKING_FIRST, *_FORWARDING))
_NAMES: Final = frozenset(
    ("ftp", "imap", "mariadb", "nntp", "pop3", "proxy", "rsync", "sieve", "smtp", "socks", "ssh", "submission", "vnc")
)


def is_known(port: ServicePort) -> bool:
    """Whether a port is known for something that is no request, by its number, that of its pods, or its name."""
    numbers = (port.port, port.target_port)
    return not _PORTS.isdisjoint(numbers) or port.name.lower().partition("-")[0] in _NAMES


def opaque_ports(service: Service) -> tuple[frozenset[int], tuple[str, ...]]:
    """The ports that its annotation says to be bytes, and what of it cannot be read."""
    text = service.metadata.annotations.get(OPAQUE, "")
    return ports_among(text.split(","), [port.port for port in service.spec.ports])


def ports_among(texts: Iterable[str], numbers: Iterable[int]) -> tuple[frozenset[int], tuple[str, ...]]:
    """Those of the numbers that are named, or within a range that is, and what cannot be read."""
    ranges, wrong = port_ranges(texts)
    return frozenset(number for number in numbers if any(number in one for one in ranges)), wrong


def port_ranges(texts: Iterable[str]) -> tuple[tuple[range, ...], tuple[str, ...]]:
    """What ports and ranges say, and what of it cannot be read."""
    found: list[range] = []
    wrong: list[str] = []
    for part in filter(None, map(str.strip, texts)):
        first, dash, last = map(str.strip, part.partition("-"))
        numbers = first.isdecimal() and (last.isdecimal() or not dash)
        if numbers and 0 < int(first) <= int(last or first) <= _LAST:
            found.append(range(int(first), int(last or first) + 1))
        else:
            wrong.append(part)
    return tuple(found), tuple(wrong)
