"""How much work something is: the calls that are made, in Python and of C. Counted, not timed: always the same."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType


def calls_of(act: Callable[[], object]) -> int:
    """The calls that `act` makes. No collection of garbage in between, whose finalizers are calls as well."""
    made = 0

    def note(_: FrameType, event: str, __: object) -> None:
        nonlocal made
        made += event in {"call", "c_call"}

    before, collects = sys.getprofile(), gc.isenabled()
    gc.disable()
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()
    return made
