"""The fake prober remembers what it was asked."""

from __future__ import annotations

from tandem.drivers.probe.fake import FakeProber


def test_calls_are_kept() -> None:
    fake = FakeProber(**{"192.0.2.2": 1500})
    fake.echo({"192.0.2.2": 1400}, 1.0)
    assert fake.calls == [{"192.0.2.2": 1400}]
