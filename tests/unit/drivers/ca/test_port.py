"""A refusal is what gRPC passes on as PERMISSION_DENIED."""

from __future__ import annotations

from tandem.drivers.ca.authority import Authority
from tandem.drivers.ca.fake import FakeAuthority
from tandem.drivers.ca.port import Signer, SigningRefusedError


def test_a_refusal_is_an_error_of_permission() -> None:
    assert issubclass(SigningRefusedError, PermissionError)


def test_real_and_fake_are_signers() -> None:
    signers: list[Signer] = [Authority.create("x.local", 1_800_000_000.0), FakeAuthority(1_800_000_000.0)]
    assert all(s.roots.startswith("-----BEGIN CERTIFICATE-----") for s in signers)
