"""Authorities: our own and those of others, kept and found again, and never outlived by what they sign."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tandem.base.secret import Secret
from tandem.drivers.ca.authority import INTERMEDIATE_LIFE, Authority, Root
from tandem.drivers.ca.keys import new_request
from tandem.drivers.ca.port import SigningRefusedError

NOW = 1_800_000_000.0
WEB = "spiffe://cluster.local/ns/shop/sa/web"
Keys = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class Foreign:
    """An authority as others make them."""

    def __init__(
        self,
        name: str,
        above: Foreign | None = None,
        key: Keys | None = None,
        *,
        length: int | None = None,
        ca: bool = True,
        signs: bool = True,
        days: int = 90,
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP384R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        usage = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(above.certificate.subject if above else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.datetime.fromtimestamp(NOW - 60, datetime.UTC))
            .not_valid_after(datetime.datetime.fromtimestamp(NOW + days * 86400, datetime.UTC))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=length if ca else None), critical=True)
            .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=signs, **usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
        )
        signing = (above or self).key
        if above is not None:
            issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key())
            made = made.add_extension(issuer, critical=False)
        assert not isinstance(signing, ed25519.Ed25519PrivateKey)
        self.certificate: x509.Certificate = made.sign(signing, hashes.SHA256())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> Secret:
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return Secret(self.key.private_bytes(pem, pkcs8, serialization.NoEncryption()))


def leaf_of(authority: Authority, now: float = NOW) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.sign(new_request(WEB)[1].csr, {WEB}, now).encode())


def verified(authority: Authority, folder: Path, now: float = NOW) -> str:
    """What OpenSSL has against a certificate; empty: nothing."""
    (folder / "roots").write_text(authority.roots)
    leaf, *above = x509.load_pem_x509_certificates(authority.sign(new_request(WEB)[1].csr, {WEB}, now).encode())
    (folder / "leaf").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    (folder / "above").write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in above))
    between: list[str | Path] = ["-untrusted", folder / "above"] if above else []
    done = subprocess.run(
        [
            "openssl",
            "verify",
            "-attime",
            str(int(now)),
            "-x509_strict",
            "-CAfile",
            folder / "roots",
            *between,
            folder / "leaf",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr


def test_an_authority_survives_its_secret() -> None:
    first = Authority.create("cluster.local", NOW)
    again = Authority.load(*first.to_pem())
    assert (again.signer, again.roots) == (first.signer, first.roots)
    leaf_of(again).verify_directly_issued_by(first.certificate)


def test_a_root_issues_one_intermediate_after_the_other() -> None:
    root = Root.load(*Root.create("cluster.local", NOW).to_pem())
    one, other = root.issue(NOW), root.issue(NOW)
    assert one.signer != other.signer
    assert one.roots == other.roots
    assert root.issued(one)
    assert not Root.create("cluster.local", NOW).issued(one)


def test_the_first_kind_of_authority_a_root_that_signs_itself_still_works(tmp_path: Path) -> None:
    root = Root.create("cluster.local", NOW)
    authority = Authority.load(*root.to_pem())
    leaf_of(authority).verify_directly_issued_by(root.certificate)
    assert verified(authority, tmp_path) == ""


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_an_authority_of_others_with_rsa_keys_signs_what_openssl_accepts(steps: int, tmp_path: Path) -> None:
    chain = [Foreign("root", key=rsa.generate_private_key(65537, 2048))]
    for step in range(steps):
        chain.insert(0, Foreign(f"step {step}", chain[0], rsa.generate_private_key(65537, 2048)))
    pem = "".join(one.pem for one in chain)
    assert verified(Authority.load(pem, chain[0].key_pem), tmp_path) == ""
    if steps:
        without = "".join(one.pem for one in chain[:-1])
        assert verified(Authority.load(without, chain[0].key_pem, chain[-1].pem), tmp_path) == ""


def test_of_several_roots_all_are_trusted() -> None:
    old, root = Foreign("old"), Foreign("root")
    below = Foreign("below", root)
    authority = Authority.load(below.pem, below.key_pem, old.pem + root.pem)
    assert authority.trusted == (old.pem, root.pem)


def test_it_ends_with_its_own_root_whatever_others_stand_beside_it() -> None:
    gone, root = Foreign("old", days=1), Foreign("root", days=80)
    below = Foreign("below", root)
    for roots in (gone.pem + root.pem, root.pem + gone.pem):
        assert Authority.load(below.pem, below.key_pem, roots).ends == NOW + 80 * 86400


def test_a_root_that_was_renewed_with_its_key_may_stand_beside_the_one_before_it(tmp_path: Path) -> None:
    old = Foreign("root", days=10, length=1)
    new = Foreign("root", key=old.key, length=1)
    below = Foreign("below", old, length=0)
    authority = Authority.load(below.pem, below.key_pem, old.pem + new.pem)
    assert authority.ends == NOW + 90 * 86400
    assert verified(authority, tmp_path) == ""


def foreign_pair(kind: str) -> tuple[str, Secret, str]:
    root = Foreign("root")
    below = Foreign("below", root)
    return {
        "another key": (below.pem, root.key_pem, root.pem),
        "no key": (below.pem, Secret(b"nonsense"), root.pem),
        "no certificate": ("nonsense", below.key_pem, root.pem),
        "no root": (below.pem, below.key_pem, "nonsense"),
        "another root": (below.pem, below.key_pem, Foreign("root").pem),
        "a hole": (below.pem + Foreign("x").pem, below.key_pem, ""),
        "a leaf": _pair(Foreign("leaf", root, ca=False), root),
        "no signing": _pair(Foreign("below", root, signs=False), root),
        "too deep": _pair(Foreign("below", deep := Foreign("root", length=0)), deep),
        "small": _pair(Foreign("below", root, rsa.generate_private_key(65537, 1024)), root),  # noqa: S505 - is refused
        "ed25519": _pair(Foreign("below", root, ed25519.Ed25519PrivateKey.generate()), root),
    }[kind]


def _pair(below: Foreign, root: Foreign) -> tuple[str, Secret, str]:
    return below.pem, below.key_pem, root.pem


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("another key", "the key does not belong to the certificate"),
        ("no key", "not an unencrypted private key in PEM"),
        ("no certificate", "the certificate: no certificate in PEM"),
        ("no root", "the roots: no certificate in PEM"),
        ("another root", "no root that is given has issued CN=below"),
        ("a hole", "CN=below is not issued by CN=x"),
        ("a leaf", "CN=leaf is not the certificate of an authority"),
        ("no signing", r"CN=below may not sign certificates \(key usage\)"),
        ("too deep", "CN=root allows 0 authorities below it, not 1"),
        ("small", "RSA of 1024 bits"),
        ("ed25519", "neither an elliptic curve key nor RSA"),
    ],
)
def test_what_does_not_fit_is_told_without_a_key(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=text) as refusal:
        Authority.load(*foreign_pair(kind))
    assert "PRIVATE" not in repr(refusal.value)


@pytest.mark.parametrize("days", [0, 3, -3, -20 * 365])
def test_what_is_signed_after_the_clock_was_set_is_good_at_that_time(days: int, tmp_path: Path) -> None:
    """By OpenSSL's rules: root and intermediate must be valid at that time as well."""
    assert verified(Authority.create("cluster.local", NOW), tmp_path, NOW + days * 86400) == ""


def test_past_its_end_nothing_is_signed_and_the_reason_is_told() -> None:
    with pytest.raises(SigningRefusedError, match="the mesh's authority ends at"):
        leaf_of(Authority.create("cluster.local", NOW), NOW + INTERMEDIATE_LIFE)


def test_a_certificate_lives_for_a_day_and_never_longer_than_its_authority() -> None:
    authority = Authority.create("cluster.local", NOW)
    assert leaf_of(authority).not_valid_after_utc.timestamp() == NOW + 86_400
    assert leaf_of(authority, authority.ends - 60).not_valid_after_utc.timestamp() == authority.ends


def names(found: Sequence[x509.Certificate]) -> list[str]:
    return [one.subject.rfc4514_string() for one in found]


def test_the_root_itself_is_not_sent() -> None:
    root = Foreign("root")
    below = Foreign("below", root)
    authority = Authority.load(below.pem + root.pem, below.key_pem)
    chain = x509.load_pem_x509_certificates(authority.sign(new_request(WEB)[1].csr, {WEB}, NOW).encode())
    assert names(chain)[1:] == ["CN=below"]
