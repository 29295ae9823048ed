"""Terms of TLS."""

from __future__ import annotations

from tandem.ir.tlsterms import TlsTerms, TlsVersion


def test_versions_are_in_their_order() -> None:
    assert sorted(TlsVersion) == [TlsVersion.V1_0, TlsVersion.V1_1, TlsVersion.V1_2, TlsVersion.V1_3]


def test_nothing_before_1_2_without_a_word() -> None:
    assert TlsTerms().least is TlsVersion.V1_2
