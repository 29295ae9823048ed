"""networking.istio.io Gateway (v1alpha3, v1beta1 and v1 are one form)."""

from __future__ import annotations

from tandem.model.meta import Condition, Model, Object


class Port(Model, frozen=True, kw_only=True):
    """servers[].port; `target_port` is Istio's older name for a port of the gateway's pods."""

    number: int
    protocol: str
    name: str = ""
    target_port: int = 0


class TlsPair(Model, frozen=True, kw_only=True):
    """tlsCertificates[]: files of the gateway's pods."""

    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""


class ServerTls(Model, frozen=True, kw_only=True):
    """ServerTLSSettings; without a mode it is PASSTHROUGH, as the API has it."""

    https_redirect: bool = False
    mode: str = "PASSTHROUGH"
    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    ca_crl: str = ""
    credential_name: str = ""
    credential_names: tuple[str, ...] = ()
    ca_cert_credential_name: str = ""
    tls_certificates: tuple[TlsPair, ...] = ()
    subject_alt_names: tuple[str, ...] = ()
    verify_certificate_spki: tuple[str, ...] = ()
    verify_certificate_hash: tuple[str, ...] = ()
    min_protocol_version: str = "TLS_AUTO"
    max_protocol_version: str = "TLS_AUTO"
    cipher_suites: tuple[str, ...] = ()


class Server(Model, frozen=True, kw_only=True):
    """servers[]; hosts are `NAME` or `NAMESPACE/NAME`."""

    port: Port
    hosts: tuple[str, ...] = ()
    tls: ServerTls | None = None
    name: str = ""
    bind: str = ""
    default_endpoint: str = ""


class IstioGatewaySpec(Model, frozen=True, kw_only=True):
    """spec; the selector means the workload that serves, and an empty one every gateway."""

    selector: dict[str, str] = {}
    servers: tuple[Server, ...] = ()


class Address(Model, frozen=True, kw_only=True):
    """status.addresses[]: where the gateway is reached."""

    value: str


class IstioGatewayStatus(Model, frozen=True, kw_only=True):
    """status."""

    conditions: tuple[Condition, ...] = ()
    addresses: tuple[Address, ...] = ()


class IstioGateway(Object, frozen=True, kw_only=True):
    """networking.istio.io Gateway."""

    spec: IstioGatewaySpec = IstioGatewaySpec()
    status: IstioGatewayStatus = IstioGatewayStatus()
