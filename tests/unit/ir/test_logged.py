"""What of a pod becomes flows."""

from __future__ import annotations

import msgspec

from tandem.ir.logged import EVERYTHING, Logged, Logging


def test_equal_values_are_equal_bytes() -> None:
    """The version of a pod is the digest of its bytes."""
    made = Logging(client=Logged(nothing=bool(0)), server=Logged(when="".join(())))
    assert made == EVERYTHING
    assert msgspec.json.encode(made) == msgspec.json.encode(EVERYTHING)


def test_what_is_said_arrives_as_it_was() -> None:
    said = Logging(client=Logged(nothing=True), server=Logged(when="response . code >= 400"))
    assert msgspec.json.decode(msgspec.json.encode(said), type=Logging) == said
    assert said != EVERYTHING
