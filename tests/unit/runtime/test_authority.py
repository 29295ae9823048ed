"""The cluster's one certificate authority, and whom it signs for which node."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509

from issuing import authority
from tandem.base.clock import FixedClock
from tandem.base.secret import Secret
from tandem.drivers.ca import wire
from tandem.drivers.ca.authority import Authority, fingerprint
from tandem.drivers.ca.keys import new_request
from tandem.ingest.errors import ApiError
from tandem.ingest.fake import FakeKube
from tandem.ingest.kube import KubeClient
from tandem.model.kinds import BY_KIND
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.runtime.authority import (
    ISTIO,
    NAME,
    NAMESPACE,
    AuthorityError,
    authority_in,
    ensure,
    has_roots,
    read_world,
    root_in,
    secret_of,
    sign_for,
    without_effect,
)

CLOCK = FixedClock()
WEB = "spiffe://cluster.local/ns/shop/sa/web"


async def of(kube: FakeKube) -> Authority:
    client = cast("KubeClient", kube)
    await ensure(client, trust_domain="cluster.local", clock=CLOCK)
    return authority_in(await read_world(client))


def test_a_control_that_restarts_has_the_same_authority() -> None:
    async def scene() -> tuple[str, str]:
        kube = FakeKube()
        return (await of(kube)).signer, (await of(kube)).signer

    first, second = asyncio.run(scene())
    assert first == second


def test_two_replicas_that_start_together_agree() -> None:
    class Racing(FakeKube):
        """Between our look and our write another replica writes its own."""

        other: Authority | None = None

        async def create(self, kind: Any, raw: Any) -> Any:
            if self.other is None:
                self.other = Authority.create("elsewhere", CLOCK.now())  # keeps the other replica from racing itself
                self.other = await of(self)
            return await super().create(kind, raw)

    async def scene() -> tuple[str, str, bool]:
        kube = Racing()
        mine = await of(kube)
        assert kube.other is not None
        root = root_in(await read_world(cast("KubeClient", kube)))
        assert root is not None
        return mine.signer, kube.other.signer, root.issued(mine)

    mine, other, fits = asyncio.run(scene())
    assert mine == other
    assert fits


def test_the_pair_is_a_tls_secret_of_the_system_namespace_as_cert_manager_writes_them() -> None:
    async def scene() -> Any:
        kube = FakeKube()
        await of(kube)
        return await kube.get(BY_KIND["Secret"], NAMESPACE, NAME)

    raw = asyncio.run(scene())
    assert raw["type"] == "kubernetes.io/tls"
    assert set(raw["data"]) == {"tls.crt", "tls.key", "ca.crt"}


def secret(namespace: str, name: str, data: Mapping[str, bytes]) -> Object:
    encoded = {field: base64.b64encode(value).decode() for field, value in data.items()}
    meta = {"namespace": namespace, "name": name}
    return parse({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded})


def istios(authority: Authority, **other: bytes) -> Object:
    chain, key, roots = authority.to_pem()
    data = {"ca-cert.pem": chain.encode(), "ca-key.pem": key.reveal(), "root-cert.pem": roots.encode()}
    return secret(*ISTIO, {**data, **{name.replace("_", "-") + ".pem": value for name, value in other.items()}})


def test_the_authority_that_is_plugged_into_istio_counts_in_place_of_our_own() -> None:
    own, plugged = Authority.create("cluster.local", CLOCK.now()), Authority.create("cluster.local", CLOCK.now())
    ours = parse(secret_of(own))
    assert authority_in(World.of([ours])).signer == own.signer
    chain = plugged.to_pem()[0].encode()
    for more in ({}, {"cert_chain": chain}, {"cert_chain": plugged.roots.encode()}):
        assert authority_in(World.of([ours, istios(plugged, **more)])).signer == plugged.signer


def test_it_may_have_the_form_of_cert_manager() -> None:
    own, plugged = Authority.create("cluster.local", CLOCK.now()), Authority.create("cluster.local", CLOCK.now())
    raw = secret_of(plugged)
    raw["metadata"] = dict(zip(("namespace", "name"), ISTIO, strict=True))
    assert authority_in(World.of([parse(secret_of(own)), parse(raw)])).signer == plugged.signer
    both = parse({**raw, "data": {**raw["data"], "ca-cert.pem": "", "ca-key.pem": ""}})
    assert authority_in(World.of([both])).signer == plugged.signer
    del raw["data"]["tls.key"]
    with pytest.raises(AuthorityError, match=r"data.tls.key is missing") as missing:
        authority_in(World.of([parse(raw)]))
    assert missing.value.at == ("Secret", *ISTIO)


def test_a_list_of_what_is_revoked_is_told_to_count_for_nothing() -> None:
    plugged = Authority.create("cluster.local", CLOCK.now())
    assert without_effect(World.of([istios(plugged)])) == without_effect(World()) == ()
    (problem,) = without_effect(World.of([istios(plugged, ca_crl=b"x")]))
    assert (problem.code, problem.at.path) == ("UnsupportedField", "data[ca-crl.pem]")


def test_what_is_wrong_with_a_secret_is_told_with_its_name() -> None:
    authority = Authority.create("cluster.local", CLOCK.now())
    with pytest.raises(AuthorityError, match=r"data.ca-key.pem is missing") as missing:
        authority_in(World.of([istios(authority, ca_key=b"")]))
    assert missing.value.at == ("Secret", *ISTIO)
    with pytest.raises(AuthorityError, match="does not belong") as foreign:
        authority_in(World.of([istios(authority, ca_key=Authority.create("x", 0.0).to_pem()[1].reveal())]))
    assert foreign.value.at == ("Secret", *ISTIO)
    with pytest.raises(AuthorityError, match="it is not there"):
        authority_in(World.of([]))
    raw = secret_of(authority)
    raw["data"]["tls.crt"] = "%"
    with pytest.raises(AuthorityError, match="not base64"):
        authority_in(World.of([parse(raw)]))


def test_an_api_that_fails_is_not_taken_for_an_empty_one() -> None:
    """A second authority would cut the mesh in two."""

    async def scene() -> list[Any]:
        kube = FakeKube()
        kube.fail_next(ApiError(500, "InternalError", "disk"))
        with pytest.raises(ApiError):
            await of(kube)
        return (await kube.list(BY_KIND["Secret"]))[0]

    assert asyncio.run(scene()) == []


def signed(identity: str, *, node: str = "n1", allowed: frozenset[str] = frozenset({WEB})) -> wire.SignResponse:
    authority = Authority.create("cluster.local", CLOCK.now())
    _, request = new_request(identity)
    return wire.decode_response(sign_for(authority, node, wire.encode(request), allowed=allowed, now=CLOCK.now()))


def test_a_node_gets_the_identity_of_a_pod_that_is_bound_to_it() -> None:
    answer = signed(WEB)
    leaf, above = x509.load_pem_x509_certificates(answer.chain.encode())
    leaf.verify_directly_issued_by(above)
    assert answer.signer == fingerprint(above)


def test_another_nodes_identity_is_refused_by_name() -> None:
    with pytest.raises(PermissionError, match=f"node n1: {WEB} may not be issued"):
        signed(WEB, allowed=frozenset())


def test_a_caller_without_a_name_is_refused() -> None:
    with pytest.raises(PermissionError, match="does not say which node"):
        signed(WEB, node="")


def test_bytes_that_are_no_request_are_a_value_error() -> None:
    authority = Authority.create("cluster.local", CLOCK.now())
    with pytest.raises(ValueError, match="JSON"):
        sign_for(authority, "n1", b"nonsense", allowed={WEB}, now=0.0)


def test_the_key_is_in_no_text() -> None:
    _, key, _ = Authority.create("cluster.local", CLOCK.now()).to_pem()
    assert isinstance(key, Secret)
    assert "PRIVATE" not in f"{key!r} {key}"


def test_a_bundle_of_authorities_is_one_that_can_be_read(tmp_path: Path) -> None:
    bundle, other = tmp_path / "bundle", tmp_path / "other"
    bundle.write_text(authority().pem)
    other.write_text("Hello world")
    assert has_roots(str(bundle))
    assert not has_roots(str(other))
    assert not has_roots(str(tmp_path / "gone"))
