"""The root: kept and found again, and never outlived by what it signs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from tandem.base.secret import Secret
from tandem.drivers.ca.authority import Authority
from tandem.drivers.ca.keys import new_request
from tandem.drivers.ca.port import SigningRefusedError

NOW = 1_800_000_000.0
WEB = "spiffe://cluster.local/ns/shop/sa/web"


def test_a_root_survives_its_secret() -> None:
    first = Authority.create("cluster.local", NOW)
    again = Authority.load(*first.to_pem())
    leaf = x509.load_pem_x509_certificate(again.sign(new_request(WEB)[1].csr, {WEB}, NOW).encode())
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(first.roots.encode()))


def test_a_foreign_key_is_refused() -> None:
    one, other = Authority.create("cluster.local", NOW), Authority.create("cluster.local", NOW)
    with pytest.raises(ValueError, match=r"ca\.key does not belong to ca\.crt"):
        Authority.load(one.to_pem()[0], other.to_pem()[1])
    with pytest.raises(ValueError, match="load"):
        Authority.load(one.to_pem()[0], Secret(b"nonsense"))


@pytest.mark.parametrize("days", [0, 3, -3, -20 * 365])
def test_what_is_signed_after_the_clock_was_set_is_good_at_that_time(days: int, tmp_path: Path) -> None:
    """By OpenSSL's rules: the root must be valid at that time as well."""
    now = NOW + days * 86400
    authority = Authority.create("cluster.local", NOW)
    _, request = new_request(WEB)
    (tmp_path / "root").write_text(authority.roots)
    (tmp_path / "leaf").write_text(authority.sign(request.csr, {WEB}, now))
    done = subprocess.run(
        ["openssl", "verify", "-attime", str(int(now)), "-CAfile", tmp_path / "root", tmp_path / "leaf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_past_the_end_of_the_root_nothing_is_signed_and_the_reason_is_told() -> None:
    authority = Authority.create("cluster.local", NOW)
    _, request = new_request(WEB)
    with pytest.raises(SigningRefusedError, match="the mesh's root ends at"):
        authority.sign(request.csr, {WEB}, NOW + 11 * 365 * 86400)


def test_a_certificate_lives_for_a_day_and_never_longer_than_its_root() -> None:
    root = Authority.create("cluster.local", NOW)
    leaf = x509.load_pem_x509_certificate(root.sign(new_request(WEB)[1].csr, {WEB}, NOW).encode())
    assert leaf.not_valid_after_utc.timestamp() == NOW + 86_400
    end = x509.load_pem_x509_certificate(root.roots.encode()).not_valid_after_utc
    late = root.sign(new_request(WEB)[1].csr, {WEB}, end.timestamp() - 60)
    assert x509.load_pem_x509_certificate(late.encode()).not_valid_after_utc == end
