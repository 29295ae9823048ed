"""When a certificate is due for renewal. Pure: times are seconds since the epoch.

At half of its life, so that control may be away for as long again; spread by up to a tenth, so that certificates that
were issued together are not renewed together.
"""

from __future__ import annotations

from typing import Final

from tandem.base.digest import digest

_SHARE: Final = 0.5
_SPREAD: Final = 0.1


def renew_at(name: str, not_before: float, not_after: float) -> float:
    """The moment from which the certificate of `name` is to be renewed; always before `not_after`."""
    life = not_after - not_before
    spread = int(digest(name, 4), 16) / 0xFFFF * _SPREAD
    return not_before + life * (_SHARE - spread)
