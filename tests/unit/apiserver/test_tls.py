"""Certificates of the API server."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

from cryptography import x509

from tandem.apiserver.tls import serving_certificate, write_private
from tandem.base.clock import FixedClock


def test_the_certificate_is_signed_by_the_authority_for_loopback(tmp_path: Path) -> None:
    files = serving_certificate(tmp_path, FixedClock())
    ca = x509.load_pem_x509_certificate(files.ca_pem)
    cert = x509.load_pem_x509_certificate(files.cert.read_bytes())
    cert.verify_directly_issued_by(ca)
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(i) for i in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]


def test_a_clock_that_was_set_back_does_not_end_the_certificates(tmp_path: Path) -> None:
    made = serving_certificate(tmp_path, FixedClock())
    for pem in (made.ca_pem, made.cert.read_bytes()):
        assert x509.load_pem_x509_certificate(pem).not_valid_before_utc.year == 1970


def test_files_are_private_and_replaced(tmp_path: Path) -> None:
    first = serving_certificate(tmp_path).key.read_bytes()
    files = serving_certificate(tmp_path)
    assert files.key.read_bytes() != first
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(files.cert, files.key)


def test_the_authoritys_key_is_nowhere(tmp_path: Path) -> None:
    serving_certificate(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["api.crt", "api.key"]


def test_a_draft_left_by_a_crash_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "x.new").write_text("half")
    write_private(tmp_path / "x", b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole"
