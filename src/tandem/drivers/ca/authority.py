"""The mesh's certificate authority: one P-256 root that signs SVIDs directly.

In: CSRs, and which identities the asking node may have. Out: X.509-SVIDs (empty subject, critical URI SAN, client and
server use). The pair is kept by the caller as a Kubernetes Secret (`ca.crt`, `ca.key`).
"""

from __future__ import annotations

import datetime
from collections.abc import Collection
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from tandem.base.clock import EVER
from tandem.base.secret import Secret
from tandem.drivers.ca.port import SigningRefusedError

_ROOT_LIFE: Final = 10 * 365 * 86_400.0
_SKEW: Final = 300.0
_SVID_LIFE: Final = 24 * 3600.0


class Authority:
    """A root certificate and its key."""

    def __init__(self, root: x509.Certificate, key: ec.EllipticCurvePrivateKey, lifetime: float = _SVID_LIFE) -> None:
        self._root = root
        self._key = key
        self._lifetime = lifetime
        self._pem = root.public_bytes(serialization.Encoding.PEM).decode()

    @classmethod
    def create(cls, trust_domain: str, now: float, lifetime: float = _SVID_LIFE) -> Authority:
        """A new root for `trust_domain`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"tandem root of {trust_domain}")])
        uri = x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")
        root = (
            _builder(key.public_key(), EVER, now + _ROOT_LIFE)
            .subject_name(name)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
            .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(root, key, lifetime)

    @classmethod
    def load(cls, cert_pem: str, key_pem: Secret, lifetime: float = _SVID_LIFE) -> Authority:
        """From a pair that `to_pem` gave; raises ValueError if it is none."""
        root = x509.load_pem_x509_certificate(cert_pem.encode())
        key = serialization.load_pem_private_key(key_pem.reveal(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("ca.key: not an elliptic curve key")  # noqa: TRY004 - a wrong value in a Secret
        if key.public_key() != root.public_key():
            raise ValueError("ca.key does not belong to ca.crt")
        return cls(root, key, lifetime)

    def to_pem(self) -> tuple[str, Secret]:
        """Certificate and key."""
        key = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._pem, Secret(key)

    @property
    def roots(self) -> str:
        """What to trust, PEM."""
        return self._pem

    def sign(self, csr_pem: str, allowed: Collection[str], now: float) -> str:
        """See `Signer`."""
        csr, identity = read_csr(csr_pem)
        if identity not in allowed:
            raise SigningRefusedError(f"{identity} may not be issued to this node")
        last = self._root.not_valid_after_utc
        if now >= last.timestamp():
            raise SigningRefusedError(f"the mesh's root ends at {last.isoformat()}, and the clock is past that")
        end = min(now + self._lifetime, last.timestamp())
        key = csr.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise SigningRefusedError(f"{identity}: the key must be an elliptic curve key on P-256")
        san = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)])
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        leaf = (
            _builder(key, now - _SKEW, end)
            .subject_name(x509.Name([]))
            .issuer_name(self._root.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            # X509-SVID section 4.2: with an empty subject the SAN is critical.
            .add_extension(san, critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return leaf.public_bytes(serialization.Encoding.PEM).decode()


def read_csr(csr_pem: str) -> tuple[x509.CertificateSigningRequest, str]:
    """The request and the identity that it asks for; raises SigningRefusedError if it is not a proper one."""
    try:
        csr = x509.load_pem_x509_csr(csr_pem.encode())
        if not csr.is_signature_valid:
            raise SigningRefusedError("the request is not signed by its own key")
        san = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, InvalidSignature, x509.ExtensionNotFound) as error:
        raise SigningRefusedError(f"not a signing request with a URI SAN: {error}") from error
    uris = san.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1 or len(list(san)) != 1:
        raise SigningRefusedError("the request must carry exactly one SAN, a URI")
    return csr, uris[0]


def _builder(key: ec.EllipticCurvePublicKey, start: float, end: float) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.fromtimestamp(start, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(end, datetime.UTC))
    )


def _usage(*on: str) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in on for name in names})
