"""The mesh's certificate authority: a certificate that signs SVIDs, the chain above it, and the roots that are trusted.

In: CSRs, and which identities the asking node may have. Out: X.509-SVIDs (empty subject, critical URI SAN, client and
server use) with the chain up to, and without, the root. Our own authorities are a P-256 root and an intermediate; those
of others may have RSA keys and any number of intermediates.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tandem.base.clock import EVER, rfc3339
from tandem.base.secret import Secret
from tandem.drivers.ca.port import SigningRefusedError

SVID_LIFE: Final = 24 * 3600.0
SKEW: Final = 300.0
"""Seconds that clocks of nodes may differ by."""
_ROOT_LIFE: Final = 10 * 365 * 86_400.0
INTERMEDIATE_LIFE: Final = 365 * 86_400.0
_LEAST_RSA: Final = 2048

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Authority:
    """Signs with `chain[0]`; each certificate of `chain` is issued by the next, and the last by one of `roots`.

    Where a root signs itself, the chain is that root alone.
    """

    def __init__(
        self,
        chain: Sequence[x509.Certificate],
        key: Key,
        roots: Sequence[x509.Certificate],
        lifetime: float = SVID_LIFE,
    ) -> None:
        self._chain = tuple(chain)
        self._key = key
        self._roots = tuple(roots)
        self._lifetime = lifetime
        self._above = "".join(_pem(c) for c in chain if c not in self._roots)
        # Of several roots the others may be there for what was signed before, or is to be signed.
        self._over = [root for root in roots if root == chain[-1] or _issued(chain[-1], root)]

    @classmethod
    def create(cls, trust_domain: str, now: float, lifetime: float = SVID_LIFE) -> Authority:
        """An intermediate of a new root, whose key is forgotten."""
        return Root.create(trust_domain, now).issue(now, lifetime)

    @classmethod
    def load(cls, chain_pem: str, key_pem: Secret, roots_pem: str = "", lifetime: float = SVID_LIFE) -> Authority:
        """From PEM; without roots the end of the chain has to be one. Raises ValueError that says what does not fit."""
        chain = _certificates("the certificate", chain_pem)
        key = _key(key_pem)
        if key.public_key() != chain[0].public_key():
            raise ValueError("the key does not belong to the certificate")
        roots = _certificates("the roots", roots_pem) if roots_pem.strip() else chain[-1:]
        if not any(_issued(chain[-1], root) for root in roots):
            raise ValueError(f"no root that is given has issued {_name(chain[-1])}")
        for below, above in pairwise(chain):
            if not _issued(below, above):
                raise ValueError(f"{_name(below)} is not issued by {_name(above)}, which follows it")
        found = cls(chain, key, roots, lifetime)
        for depth, certificate in enumerate(chain):
            _may_sign(certificate, depth)
        for root in found._over:
            if root != chain[-1]:
                _may_sign(root, len(chain))
        return found

    @staticmethod
    def certificates(pem: str) -> list[x509.Certificate]:
        """Those in a text of PEM; raises ValueError if there is none."""
        return _certificates("the certificate", pem)

    def to_pem(self) -> tuple[str, Secret, str]:
        """The chain, the key and the roots."""
        return "".join(map(_pem, self._chain)), Secret(_key_pem(self._key)), self.roots

    @property
    def roots(self) -> str:
        """What to trust, PEM."""
        return "".join(map(_pem, self._roots))

    @property
    def trusted(self) -> tuple[str, ...]:
        """The roots one by one, PEM."""
        return tuple(map(_pem, self._roots))

    @property
    def signer(self) -> str:
        """Which certificate signs: the beginning of its SHA-256, in hex."""
        return fingerprint(self._chain[0])

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate that signs."""
        return self._chain[0]

    @property
    def ends(self) -> float:
        """When the first certificate on the way up is no longer valid; of roots of one key the last one counts."""
        root = max(one.not_valid_after_utc.timestamp() for one in self._over)
        return min(root, *(one.not_valid_after_utc.timestamp() for one in self._chain))

    def sign(self, csr_pem: str, allowed: Collection[str], now: float) -> str:
        """See `Signer`."""
        csr, identity = read_csr(csr_pem)
        if identity not in allowed:
            raise SigningRefusedError(f"{identity} may not be issued to this node")
        if now >= self.ends:
            end = datetime.datetime.fromtimestamp(self.ends, datetime.UTC)
            raise SigningRefusedError(f"the mesh's authority ends at {end.isoformat()}, and the clock is past that")
        key = csr.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise SigningRefusedError(f"{identity}: the key must be an elliptic curve key on P-256")
        san = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)])
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        leaf = (
            _builder(key, now - SKEW, min(now + self._lifetime, self.ends))
            .subject_name(x509.Name([]))
            .issuer_name(self._chain[0].subject)
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
        return _pem(leaf) + self._above


class Root:
    """Our own root: issues an authority now and then, and is else not needed."""

    def __init__(self, certificate: x509.Certificate, key: Key) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def create(cls, trust_domain: str, now: float) -> Root:
        """A new one, with a name that no other has."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _authority(key.public_key(), f"tandem root of {trust_domain}", trust_domain, (EVER, now + _ROOT_LIFE), 1)
        return cls(made.issuer_name(_common(f"tandem root of {trust_domain}")).sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, certificate_pem: str, key_pem: Secret) -> Root:
        """From a pair that `to_pem` gave; raises ValueError if it is none."""
        (certificate, *_), key = _certificates("the root", certificate_pem), _key(key_pem)
        if key.public_key() != certificate.public_key():
            raise ValueError("the key does not belong to the root")
        return cls(certificate, key)

    def to_pem(self) -> tuple[str, Secret]:
        """Certificate and key."""
        return _pem(self.certificate), Secret(_key_pem(self._key))

    def issued(self, authority: Authority) -> bool:
        """Whether an authority is of this root."""
        return _issued(authority.certificate, self.certificate)

    def issue(self, now: float, lifetime: float = SVID_LIFE) -> Authority:
        """An intermediate of its own key; `lifetime`: seconds of what it signs."""
        key = ec.generate_private_key(ec.SECP256R1())
        (uri,) = self._names()
        domain = uri.removeprefix("spiffe://")
        end = min(now + INTERMEDIATE_LIFE, self.certificate.not_valid_after_utc.timestamp())
        made = _authority(key.public_key(), f"tandem authority of {domain}", domain, (EVER, end), 0)
        issued = made.issuer_name(self.certificate.subject).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        return Authority([issued.sign(self._key, hashes.SHA256())], key, [self.certificate], lifetime)

    def _names(self) -> list[str]:
        names = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.UniformResourceIdentifier)


def fingerprint(certificate: x509.Certificate) -> str:
    """The beginning of a certificate's SHA-256, in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()[:32]


def described(certificate: x509.Certificate) -> dict[str, str]:
    """What people tell certificates apart by: `subject`, `fingerprint`, `notAfter`."""
    end = rfc3339(certificate.not_valid_after_utc.timestamp())
    return {"subject": _name(certificate), "fingerprint": fingerprint(certificate), "notAfter": end}


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


def _certificates(what: str, pem: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as err:
        raise ValueError(f"{what}: no certificate in PEM") from err


def _key(pem: Secret) -> Key:
    try:
        key = serialization.load_pem_private_key(pem.reveal(), None)
    except (ValueError, TypeError) as err:
        raise ValueError("the key: not an unencrypted private key in PEM") from err
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _LEAST_RSA:
        raise ValueError(f"the key: RSA of {key.key_size} bits, and at least {_LEAST_RSA} are needed")
    if not isinstance(key, Key):
        raise ValueError("the key: neither an elliptic curve key nor RSA")  # noqa: TRY004 - a wrong value in a Secret
    return key


def _may_sign(certificate: x509.Certificate, below: int) -> None:
    """Raises ValueError unless it may issue with so many authorities below it (RFC 5280 section 4.2.1.9)."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = x509.BasicConstraints(ca=False, path_length=None)
    if not constraints.ca:
        raise ValueError(f"{_name(certificate)} is not the certificate of an authority")
    if constraints.path_length is not None and constraints.path_length < below:
        raise ValueError(f"{_name(certificate)} allows {constraints.path_length} authorities below it, not {below}")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise ValueError(f"{_name(certificate)} may not sign certificates (key usage)")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or fingerprint(certificate)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _common(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _authority(
    key: ec.EllipticCurvePublicKey, name: str, trust_domain: str, life: tuple[float, float], path_length: int
) -> x509.CertificateBuilder:
    # Two roots of one name would be told apart by their keys alone, which Envoy tries one after the other.
    uri = x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")
    return (
        _builder(key, *life)
        .subject_name(_common(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


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
