"""Messages are values."""

from __future__ import annotations

from tandem.drivers.xds.messages import Encoded


def test_the_value_of_a_resource_is_not_printed() -> None:
    assert "hunter2" not in repr(Encoded("secret", "1", b"hunter2"))
