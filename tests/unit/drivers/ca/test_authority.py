"""The root: kept and found again, and never outlived by what it signs."""

from __future__ import annotations

import pytest
from cryptography import x509

from tandem.base.secret import Secret
from tandem.drivers.ca.authority import Authority
from tandem.drivers.ca.keys import new_request

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


def test_a_certificate_lives_for_a_day_and_never_longer_than_its_root() -> None:
    root = Authority.create("cluster.local", NOW)
    leaf = x509.load_pem_x509_certificate(root.sign(new_request(WEB)[1].csr, {WEB}, NOW).encode())
    assert leaf.not_valid_after_utc.timestamp() == NOW + 86_400
    end = x509.load_pem_x509_certificate(root.roots.encode()).not_valid_after_utc
    late = root.sign(new_request(WEB)[1].csr, {WEB}, end.timestamp() - 60)
    assert x509.load_pem_x509_certificate(late.encode()).not_valid_after_utc == end
