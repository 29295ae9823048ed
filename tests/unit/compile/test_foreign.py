"""What capture needs behind another plugin."""

from __future__ import annotations

from tandem.compile.foreign import compile_redirection


def test_it_is_for_the_families_of_the_addresses() -> None:
    wanted = compile_redirection("net1", ("fd00::2", "10.88.0.2", "10.89.0.2"))
    assert (wanted.ifname, wanted.versions) == ("net1", (4, 6))
