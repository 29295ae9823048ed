"""The agent's secrets: obtained, renewed at half life, dropped, and never published half after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

from tandem.base.clock import FixedClock
from tandem.base.problems import DriverError
from tandem.drivers.ca import keys
from tandem.drivers.ca.fake import FakeAuthority
from tandem.drivers.ca.keys import Rotation, SecretStore
from tandem.drivers.ca.port import SigningRefusedError
from tandem.drivers.ca.trusted import trust_secrets
from tandem.drivers.ca.wire import SignRequest, SignResponse
from tandem.drivers.xds.messages import Encoded
from tandem.state.xds import PEERS, ROOTS, domain_roots

WEB, DB = "spiffe://fake.local/ns/shop/sa/web", "spiffe://fake.local/ns/shop/sa/db"


def trusting(roots: str) -> dict[str, Encoded]:
    return trust_secrets("fake.local", roots, None)


class Bench:
    """A store with everything around it."""

    def __init__(self, *allowed: str) -> None:
        self.clock = FixedClock(1_800_000_000.0)
        self.authority = FakeAuthority(self.clock.now())
        self.allowed = set(allowed)
        self.published: list[Mapping[str, Encoded]] = []
        self.store = SecretStore(
            self.sign, self.published.append, self.clock, Rotation(renew_at=lambda _, a, b: (a + b) / 2)
        )
        self.store.trust(trusting(self.authority.roots), self.authority.signer)

    async def sign(self, request: SignRequest) -> SignResponse:
        chain = self.authority.sign(request.csr, self.allowed, self.clock.now())
        return SignResponse(chain=chain, signer=self.authority.signer)


def test_a_needed_identity_becomes_a_secret_with_the_trust_bundle() -> None:
    bench = Bench(WEB)
    asyncio.run(bench.store.ensure(frozenset({WEB})))
    assert set(bench.published[-1]) == {WEB, ROOTS}
    secret = secret_pb2.Secret.FromString(bench.published[-1][WEB].value)
    assert secret.name == WEB
    assert secret.tls_certificate.certificate_chain.inline_string.startswith("-----BEGIN CERTIFICATE")
    assert secret.tls_certificate.private_key.inline_bytes.startswith(b"-----BEGIN PRIVATE KEY")
    bundle = secret_pb2.Secret.FromString(bench.published[-1][ROOTS].value)
    assert bundle.validation_context.trusted_ca.inline_string == bench.authority.roots


def test_no_key_is_printed() -> None:
    bench = Bench(WEB)
    asyncio.run(bench.store.ensure(frozenset({WEB})))
    assert "PRIVATE" not in f"{bench.published} {bench.store.certificates}"


def test_a_valid_certificate_is_not_asked_for_again() -> None:
    bench = Bench(WEB)
    for _ in range(2):
        asyncio.run(bench.store.ensure(frozenset({WEB})))
    assert bench.authority.signed == [WEB]
    assert len(bench.published) == 1


def test_at_half_life_a_certificate_is_renewed_with_a_new_key() -> None:
    bench = Bench(WEB)
    asyncio.run(bench.store.ensure(frozenset({WEB})))
    bench.clock.advance(3600)
    asyncio.run(bench.store.ensure(frozenset({WEB})))
    assert bench.published[0][WEB].version != bench.published[1][WEB].version
    assert bench.published[0][ROOTS] == bench.published[1][ROOTS]


@pytest.mark.parametrize("days", [3, -3, -365], ids=["forwards", "backwards", "by a year"])
def test_a_clock_that_is_set_gets_a_certificate_of_its_time_without_being_asked(
    days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LONGEST_PAUSE", 0.01)
    bench = Bench(WEB)
    bench.store = SecretStore(
        bench.sign, bench.published.append, bench.clock, Rotation(renew_at=lambda _, a, b: (a + b) / 2, retry=0.01)
    )

    async def story() -> None:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bench.store.run())
            await bench.store.ensure(frozenset({WEB}))
            bench.clock.advance(days * 86400)
            while len(bench.published) < 2:  # noqa: ASYNC110 - the store publishes by a call
                await asyncio.sleep(0.005)
            running.cancel()

    asyncio.run(story())
    held = bench.store.certificates[WEB]
    assert held.not_before <= bench.clock.now() < held.not_after


def test_another_bundle_is_told_at_once_and_other_certificates_once_another_signs() -> None:
    bench = Bench(WEB)
    asyncio.run(bench.store.ensure(frozenset({WEB})))
    first, old = bench.published[-1], bench.authority
    bench.authority = FakeAuthority(bench.clock.now())
    both = old.roots + bench.authority.roots
    bench.store.trust(trusting(both), old.signer)
    assert bench.published[-1][WEB] == first[WEB]
    assert bench.published[-1][ROOTS].version == next(iter(bench.store.bundle.values())) != first[ROOTS].version
    asyncio.run(bench.store.ensure(frozenset({WEB})))
    assert bench.authority.signed == []
    bench.store.trust(trusting(both), bench.authority.signer)
    asyncio.run(bench.store.ensure(frozenset({WEB})))
    assert bench.authority.signed == [WEB]
    assert bench.published[-1][WEB] != first[WEB]


def test_without_anybody_to_trust_no_bundle_is_published() -> None:
    bench = Bench(WEB)
    bench.store = SecretStore(bench.sign, bench.published.append, bench.clock, Rotation(renew_at=lambda *_: 1e12))
    bench.store.trust({}, "")
    asyncio.run(bench.store.ensure(frozenset({WEB})))
    assert set(bench.published[-1]) == {WEB}
    assert bench.store.bundle == {}


def test_a_renewal_that_fails_leaves_the_certificate_in_use() -> None:
    bench = Bench(WEB)
    asyncio.run(bench.store.ensure(frozenset({WEB})))
    bench.clock.advance(2000)
    bench.authority.fail_next(DriverError("control is away"))
    asyncio.run(bench.store.ensure(frozenset({WEB})))
    assert bench.store.failures == {WEB: "control is away"}
    assert len(bench.published) == 1


def test_a_refused_identity_is_named_and_does_not_hold_the_others() -> None:
    bench = Bench(WEB)
    with pytest.raises(DriverError, match=r"no certificate for .*sa/db: .*may not be issued"):
        asyncio.run(bench.store.ensure(frozenset({WEB, DB})))
    assert set(bench.published[-1]) == {WEB, ROOTS}


def test_nothing_is_published_while_control_has_not_answered_for_all() -> None:
    bench = Bench(WEB, DB)
    bench.authority.fail_next(DriverError("control is away"))
    with pytest.raises(DriverError, match="control is away"):
        asyncio.run(bench.store.ensure(frozenset({WEB, DB})))
    assert bench.published == []
    asyncio.run(bench.store.ensure(frozenset({WEB, DB})))
    assert set(bench.published[-1]) == {WEB, DB, ROOTS}


def test_what_is_no_longer_needed_is_dropped() -> None:
    async def scene() -> None:
        bench = Bench(WEB, DB)
        await bench.store.ensure(frozenset({WEB, DB}))
        bench.store.need(frozenset({WEB}))
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(bench.store.run())
            while len(bench.published) < 2:  # noqa: ASYNC110 - the store works in another task
                await asyncio.sleep(0)
            keeper.cancel()
        assert set(bench.published[-1]) == {WEB, ROOTS}

    asyncio.run(scene())


def test_a_refusal_is_an_error_of_permission() -> None:
    assert issubclass(SigningRefusedError, PermissionError)


def test_what_is_no_longer_to_be_trusted_goes_and_everything_has_a_version() -> None:
    bench = Bench(WEB)
    asyncio.run(bench.store.ensure(frozenset({WEB})))
    roots = bench.authority.roots
    bench.store.trust(trust_secrets("fake.local", roots, {"partner": roots}), bench.authority.signer)
    assert bench.published[-1].keys() == {WEB, ROOTS, PEERS, domain_roots("partner")}
    assert {name for _, name in bench.store.bundle} == {ROOTS, PEERS, domain_roots("partner")}
    bench.store.trust(trusting(roots), bench.authority.signer)
    assert bench.published[-1].keys() == {WEB, ROOTS}
