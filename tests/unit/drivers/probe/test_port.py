"""Both probers are Probers."""

from __future__ import annotations

from tandem.drivers.probe.fake import FakeProber
from tandem.drivers.probe.port import Prober
from tandem.drivers.probe.real import RawProber


def test_the_fake_and_the_real_one_have_the_same_face() -> None:
    probers: list[Prober] = [FakeProber(), RawProber()]
    assert all(callable(p.echo) for p in probers)
