from __future__ import annotations

from tandem.drivers.firewall.fake import FakeFirewall
from tandem.drivers.firewall.port import Firewall
from tandem.drivers.firewall.real import Iptables


def test_fake_and_real_are_both_firewalls() -> None:
    both: list[Firewall] = [FakeFirewall(), Iptables()]
    assert all(hasattr(each, word) for each in both for word in ("read", "change", "state"))
