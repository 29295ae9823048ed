"""Authorities for tests, and certificates that they sign: of servers, of clients, or of nobody in particular."""

from __future__ import annotations

import datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
END = START + datetime.timedelta(days=3650)

_SIGNING = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """Signs what it is asked to; `pem` is its own certificate."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = self._builder(self._subject, self._key.public_key(), ca=True)
        self.pem = _text(builder.sign(self._key, hashes.SHA256()))

    def issue(self, *names: str) -> tuple[str, str]:
        """A certificate for these names (of DNS, or URIs; the first is its own) and its key, both in PEM.

        The first name is another one than the authority's: who signs for itself is believed by nobody.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        found = [x509.UniformResourceIdentifier(n) if "://" in n else x509.DNSName(n) for n in names]
        builder = self._builder(subject, key.public_key(), ca=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(found), critical=False)
        return _text(builder.sign(self._key, hashes.SHA256())), _key_text(key)

    def svid(self, *identities: str) -> tuple[str, str]:
        """An X.509-SVID, as a SPIRE server would sign it, and its key; with two identities it is none."""
        key = ec.generate_private_key(ec.SECP256R1())
        found = [x509.UniformResourceIdentifier(identity) for identity in identities]
        builder = self._builder(x509.Name([]), key.public_key(), ca=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(found), critical=True)
        builder = builder.add_extension(_SIGNING, critical=True)
        return _text(builder.sign(self._key, hashes.SHA256())), _key_text(key)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._subject).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(START).not_valid_after(END)
        return builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)


@cache
def authority(name: str = "one") -> Authority:
    """The authority of that name; another name is another one."""
    return Authority(name)


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
