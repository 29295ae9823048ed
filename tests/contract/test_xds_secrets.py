"""The agent's keys in a real Envoy: served by SDS, replaced without a restart, gone when they are not needed."""

# ruff: noqa: ASYNC110 - another process is polled
from __future__ import annotations

import asyncio
import socket as sockets
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509

from tandem.base.clock import FixedClock, SystemClock
from tandem.base.paths import NodeDir
from tandem.drivers.ca.fake import FakeAuthority
from tandem.drivers.ca.keys import Rotation, SecretStore, certificate_secret, new_request
from tandem.drivers.ca.trusted import trust_secrets
from tandem.drivers.ca.wire import SignRequest, SignResponse
from tandem.drivers.envoy.process import EnvoyProcess, EnvoySettings
from tandem.drivers.xds.encode import Encoder
from tandem.drivers.xds.server import XdsServer
from tandem.state.xds import CLUSTER, ENDPOINT, LISTENER, ORDER, ROOTS, ROUTE, SECRET, Resource, Snapshot

WEB, CLIENT = "spiffe://fake.local/ns/shop/sa/web", "spiffe://fake.local/ns/shop/sa/client"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}


def listener(port: int) -> dict[str, Any]:
    context = {
        "@type": TLS,
        "require_client_certificate": True,
        "common_tls_context": {
            "tls_certificate_sds_secret_configs": [{"name": WEB, "sds_config": ADS}],
            "validation_context_sds_secret_config": {"name": ROOTS, "sds_config": ADS},
        },
    }
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}
    manager = {
        "@type": HTTP,
        "stat_prefix": "t",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
    }
    answer = {"name": "http", "typed_config": manager}
    chain = {"filters": [answer], "transport_socket": {"name": "tls", "typed_config": context}}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"name": "l", "address": address, "filter_chains": [chain]}


class Peer:
    """A client with a certificate of the same authority."""

    def __init__(self, authority: FakeAuthority, now: float, folder: Path) -> None:
        key, request = new_request(CLIENT)
        pair = folder / "client.pem"
        pair.write_bytes(authority.sign(request.csr, {CLIENT}, now).encode() + key.reveal())
        self._context = ssl.create_default_context(cadata=authority.roots)
        self._context.check_hostname = False
        self._context.load_cert_chain(pair)

    async def serial(self, port: int) -> int:
        """Serial number of the certificate that is presented, after it answered."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=self._context)
        writer.write(b"GET / HTTP/1.1\r\nhost: t\r\n\r\n")
        assert b" 200 " in await reader.readline()
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return x509.load_der_x509_certificate(der).serial_number


def test_keys_are_served_and_renewed_without_a_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = FixedClock(SystemClock().now())
        authority = FakeAuthority(clock.now())
        paths = NodeDir(tmp_path)
        server = XdsServer(paths.xds_socket, ORDER)
        with sockets.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        snapshot = {
            CLUSTER: {},
            ENDPOINT: {},
            LISTENER: {"l": Resource(name="l", body=listener(port))},
            ROUTE: {},
        }

        async def sign(request: SignRequest) -> SignResponse:
            return SignResponse(chain=authority.sign(request.csr, {WEB}, clock.now()), signer=authority.signer)

        store = SecretStore(
            sign,
            lambda secrets: server.publish_type("n1", SECRET, secrets),
            clock,
            Rotation(renew_at=lambda _identity, start, _end: start + 305),
        )
        store.trust(trust_secrets("fake.local", authority.roots, None), authority.signer)
        await server.start()
        envoy = EnvoyProcess(EnvoySettings(node_id="n1", paths=paths, concurrency=1))
        await envoy.start()
        try:
            server.publish("n1", Encoder().encode(Snapshot(resources=snapshot)))
            await store.ensure(frozenset({WEB}))
            await server.accepted("n1", {(SECRET, WEB): version(store)}, 30)
            await envoy.wait_ready(30)
            peer = Peer(authority, clock.now(), tmp_path)
            before = await peer.serial(port)
            clock.advance(10)
            await store.ensure(frozenset({WEB}))
            await server.accepted("n1", {(SECRET, WEB): version(store)}, 30)
            while await peer.serial(port) == before:
                await asyncio.sleep(0.02)
            assert (await envoy.admin.stats("listener_manager.listener_modified")) == {
                "listener_manager.listener_modified": 0
            }
        finally:
            await envoy.stop()
            await server.stop()

    async def timed() -> None:
        async with asyncio.timeout(60):
            await scene()

    asyncio.run(timed())


def version(store: SecretStore) -> str:
    """Of the secret that is published for WEB."""
    return certificate_secret(store.certificates[WEB]).version
