"""The agent's keys: made on the node, kept in memory only, turned into SDS secrets.

In: the identities that the node's pods need, whom to trust, and a way to have a CSR signed. Out: Encoded SDS secrets,
one `tls_certificate` per SPIFFE id, and those of whom to trust; republished whenever one changes.

Nothing is published until every identity that is needed was once answered for, with a certificate or a refusal: keys do
not survive an agent, and Envoy keeps the old ones as long as it is not told otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tandem.base.clock import Clock
from tandem.base.digest import digest
from tandem.base.problems import DriverError
from tandem.base.secret import Secret
from tandem.drivers.ca.trusted import new_secret
from tandem.drivers.ca.wire import SignRequest, SignResponse
from tandem.drivers.xds.messages import Encoded
from tandem.state.xds import SECRET

log = structlog.get_logger(__name__)

# Raises PermissionError when the identity is refused, DriverError when nobody answers.
Sign = Callable[[SignRequest], Awaitable[SignResponse]]
RenewAt = Callable[[str, float, float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A key with its chain."""

    identity: str
    chain: str
    key: Secret
    not_before: float
    not_after: float
    signer: str
    """Fingerprint of the certificate that signed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """Policy of renewal, given by `identity.rotation`."""

    renew_at: RenewAt
    retry: float = 5.0


def new_request(identity: str) -> tuple[Secret, SignRequest]:
    """A new P-256 key in PEM and the request for its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    san = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)])
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(san, critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Secret(pem), SignRequest(csr=csr.public_bytes(serialization.Encoding.PEM).decode())


def certificate_secret(certificate: Certificate) -> Encoded:
    """SDS secret of one identity; the version is that of the chain, the key is in no digest."""
    encoded = tls_secret(certificate.identity, certificate.chain, certificate.key)
    return Encoded(certificate.identity, digest(certificate.chain, 16), encoded)


def tls_secret(name: str, chain: str, key: Secret) -> bytes:
    """Envoy's Secret of a chain with its key, both in PEM."""
    secret = new_secret(name)
    secret.tls_certificate.certificate_chain.inline_string = chain
    secret.tls_certificate.private_key.inline_bytes = key.reveal()
    encoded: bytes = secret.SerializeToString(deterministic=True)
    return encoded


LONGEST_PAUSE: Final = 10.0
"""The clock may be set at any moment, and a pause is not ended by that."""


class SecretStore:
    """Certificates of the identities that are needed here; `publish` receives all secrets after each change."""

    def __init__(
        self, sign: Sign, publish: Callable[[Mapping[str, Encoded]], None], clock: Clock, rotation: Rotation
    ) -> None:
        self._sign = sign
        self._publish = publish
        self._clock = clock
        self._rotation = rotation
        self._needed: frozenset[str] | None = None
        self._held: dict[str, Certificate] = {}
        self._secrets: dict[str, Encoded] = {}
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._failures: dict[str, str] = {}
        self._refused: set[str] = set()
        self._published: dict[str, Encoded] | None = None
        self._trusted: Mapping[str, Encoded] = {}
        self._signer = ""

    @property
    def certificates(self) -> Mapping[str, Certificate]:
        """Identity -> certificate, for `tandem status`."""
        return dict(self._held)

    @property
    def failures(self) -> Mapping[str, str]:
        """Identity -> why it has no certificate, or no newer one."""
        return dict(self._failures)

    def trust(self, secrets: Mapping[str, Encoded], signer: str) -> None:
        """Whom to trust, at once (see `trusted.py`); what another than `signer` signed is asked for anew."""
        if secrets and secrets != self._trusted:
            for name in self._trusted.keys() - secrets.keys():
                del self._secrets[name]
            self._trusted = secrets
            self._secrets.update(secrets)
            if self._published is not None:
                self._tell()
        if signer != self._signer:
            self._signer = signer
            self._wake.set()

    @property
    def bundle(self) -> Mapping[tuple[str, str], str]:
        """The versions of what is trusted, by their keys in xDS."""
        return {(SECRET, name): secret.version for name, secret in self._trusted.items()}

    def need(self, identities: frozenset[str]) -> None:
        """What the pods of this node need from now on; `run` obtains what is missing and drops what is not needed."""
        if identities != self._needed:
            self._needed = identities
            self._wake.set()

    async def ensure(self, identities: frozenset[str]) -> None:
        """Return when all of these have a valid certificate and are published; raises DriverError."""
        self.need((self._needed or frozenset()) | identities)
        await self._work()
        now = self._clock.now()
        missing = [i for i in sorted(identities) if i not in self._held or self._held[i].not_after <= now]
        if missing:
            raise DriverError("; ".join(f"no certificate for {i}: {self._failures.get(i, '')}" for i in missing))

    async def run(self) -> None:
        """Obtain, renew, drop; until cancelled."""
        while True:
            self._wake.clear()
            await self._work()
            try:
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _work(self) -> None:
        async with self._lock:
            needed = self._needed
            if needed is None:
                return
            for identity in self._held.keys() - needed:
                del self._held[identity], self._secrets[identity]
            self._failures = {i: text for i, text in self._failures.items() if i in needed}
            for identity in sorted(self._due(needed)):
                await self._obtain(identity)
            complete = self._published is not None or needed <= self._held.keys() | self._refused
            if complete and self._secrets != self._published:
                self._tell()

    def _tell(self) -> None:
        self._published = dict(self._secrets)
        self._publish(dict(self._secrets))

    async def _obtain(self, identity: str) -> None:
        key, request = new_request(identity)
        try:
            response = await self._sign(request)
            leaf = x509.load_pem_x509_certificate(response.chain.encode())
        except (DriverError, PermissionError, ValueError) as error:
            self._failures[identity] = str(error)
            if isinstance(error, PermissionError):
                self._refused.add(identity)
            log.warning("certificate not obtained", identity=identity, error=str(error))
            return
        self._failures.pop(identity, None)
        self._refused.discard(identity)
        self._held[identity] = Certificate(
            identity=identity,
            chain=response.chain,
            key=key,
            not_before=leaf.not_valid_before_utc.timestamp(),
            not_after=leaf.not_valid_after_utc.timestamp(),
            signer=response.signer,
        )
        self._secrets[identity] = certificate_secret(self._held[identity])
        log.info("certificate obtained", identity=identity)

    def _renewal(self, identity: str) -> float:
        held = self._held.get(identity)
        if held is None or held.not_before > self._clock.now():  # the clock was set back: nobody would accept it
            return 0.0
        if self._signer and held.signer != self._signer:
            return 0.0
        return self._rotation.renew_at(identity, held.not_before, held.not_after)

    def _due(self, needed: frozenset[str]) -> list[str]:
        now = self._clock.now()
        return [i for i in needed if self._renewal(i) <= now]

    def _pause(self) -> float:
        if self._failures:
            return self._rotation.retry
        soonest = min((self._renewal(i) for i in self._needed or ()), default=self._clock.now() + LONGEST_PAUSE)
        return min(max(soonest - self._clock.now(), self._rotation.retry), LONGEST_PAUSE)
