"""Logging: which requests and connections of a pod become flows, apart for both sides on which it can be."""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.base.problems import Origin


class Logged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One side: everything, `nothing`, or that of which `when` holds."""

    nothing: bool = False
    when: str = ""
    """CEL over Envoy's attributes, on one line and without a per cent sign in a text; empty: everything."""
    origins: tuple[Origin, ...] = ()
    """What says so."""


class Logging(msgspec.Struct, frozen=True, kw_only=True):
    """Of what a pod sends, and of what it is sent.

    Both are always written: msgspec leaves out the default itself and not its equal, and equal values are equal bytes.
    """

    client: Logged = Logged()
    server: Logged = Logged()


EVERYTHING: Final = Logging()
