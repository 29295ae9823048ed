"""Whom the node trusts -> SDS secrets: our own authority for servers of the mesh, every trust domain for its clients.

Clients are judged by Envoy's SPIFFE validator, which holds each against the roots of its own trust domain and no
others. It takes no root that does not sign itself: where our own authority has such a root, others are not trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from tandem.base.digest import digest
from tandem.drivers.xds.messages import Encoded
from tandem.state.xds import PEERS, ROOTS, domain_roots


def trust_secrets(domain: str, own: str, others: Mapping[str, str] | None) -> dict[str, Encoded]:
    """`own`: the roots (PEM) of our `domain`; of `others`, by name, "" where nobody told them. None: no others count.

    Envoy keeps a secret that is taken away. So where the roots of a domain are not there it is told ours in their
    place, which sign no name of that domain.
    """
    found = [_roots(ROOTS, own)]
    if others is not None:
        told = {name: pem for name, pem in others.items() if anchored(pem)}
        found += [_peers(domain, own, told), *(_roots(domain_roots(name), told.get(name, own)) for name in others)]
    return {secret.name: secret for secret in found}


def anchored(pem: str) -> bool:
    """Whether some certificate signs itself; without one the SPIFFE validator trusts nobody."""
    return any(map(_signs_itself, x509.load_pem_x509_certificates(pem.encode()))) if pem else False


def _signs_itself(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _peers(domain: str, own: str, others: Mapping[str, str]) -> Encoded:
    from envoy.extensions.transport_sockets.tls.v3 import tls_spiffe_validator_config_pb2

    secret = new_secret(PEERS)
    context = secret.validation_context
    if anchored(own):
        config = tls_spiffe_validator_config_pb2.SPIFFECertValidatorConfig()
        for name, pem in sorted({**others, domain: own}.items()):
            config.trust_domains.add(name=name).trust_bundle.inline_string = pem
        context.custom_validator_config.name = "envoy.tls.cert_validator.spiffe"
        context.custom_validator_config.typed_config.Pack(config, deterministic=True)
    else:
        context.trusted_ca.inline_string = own
        names = context.match_typed_subject_alt_names.add()
        names.san_type = names.URI
        names.matcher.prefix = f"spiffe://{domain}/"
    return _encoded(secret)


def _roots(name: str, pem: str) -> Encoded:
    secret = new_secret(name)
    secret.validation_context.trusted_ca.inline_string = pem
    return _encoded(secret)


def _encoded(secret: Any) -> Encoded:
    data: bytes = secret.SerializeToString(deterministic=True)
    return Encoded(secret.name, digest(data, 16), data)


def new_secret(name: str) -> Any:
    """Envoy's Secret of that name, without anything in it."""
    from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

    return secret_pb2.Secret(name=name)
