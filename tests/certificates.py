"""A certificate authority for tests whose clients and servers judge each other, as a user would have one."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


class Authority:
    """Signs for two days around now."""

    def __init__(self, name: str) -> None:
        self._name = _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        made = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        self._certificate = made.sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, *names: str) -> tuple[bytes, bytes]:
        """Certificate and key, both in PEM, for these names of DNS."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        made = self._builder(_named(names[0]), key).add_extension(alternatives, False)
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        private = key.private_bytes(serialization.Encoding.PEM, form, plain)
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), private

    def revoke(self, certificate: bytes) -> bytes:
        """A list that has this one."""
        serial = x509.load_pem_x509_certificate(certificate).serial_number
        now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)  # noqa: TID251 in real time
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - day).build()
        made = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        made = made.last_update(now - day).next_update(now + day).add_revoked_certificate(entry)
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)  # noqa: TID251 in real time
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        return made.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
