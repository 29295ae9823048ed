"""Whom a node trusts by the word of Workload APIs, which a fake tells; real ones: tests/e2e/test_federation.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_spiffe_validator_config_pb2

from issuing import authority
from meshbuild import CONFIG
from tandem.base.problems import DriverError, Origin
from tandem.drivers.ca.authority import Root
from tandem.drivers.spiffe.fake import FakeWorkloadApi
from tandem.drivers.spiffe.port import NotEntitledError
from tandem.ir.fabric import MeshConfig
from tandem.ir.trust import TrustSource
from tandem.runtime import federation
from tandem.runtime.federation import Federation, TrustFigures
from tandem.state.xds import PEERS, ROOTS, domain_roots

OURS, ONE, TWO = (authority(name).pem for name in ("ours", "one", "two"))
AT = Origin(kind="TrustSource", name="partner")
SOURCE = TrustSource(socket="/api", domains=("a.example",), origin=AT)


def config(*sources: TrustSource, roots: str = OURS) -> MeshConfig:
    return msgspec.structs.replace(CONFIG, trust_sources=sources, roots_pem=roots)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.journal = folder / "bundles.json"
        self.api, self.changes = FakeWorkloadApi(), 0
        self.federation = self.new()

    def new(self) -> Federation:
        return Federation(self.journal, self.api, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def trusted(self, said: MeshConfig) -> dict[str, str]:
        """The roots of each trust domain that clients are held against."""
        secret = secret_pb2.Secret.FromString(self.federation.secrets(said)[PEERS].value)
        found = tls_spiffe_validator_config_pb2.SPIFFECertValidatorConfig()
        secret.validation_context.custom_validator_config.typed_config.Unpack(found)
        return {one.name: one.trust_bundle.inline_string for one in found.trust_domains}

    def messages(self) -> list[str]:
        found = self.federation.unmet()
        assert all((e["kind"], e["namespace"], e["name"]) == ("TrustSource", "", "partner") for e in found)
        return [entry["message"] for entry in found]

    def run(self, what: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
                loop = tasks.create_task(self.federation.run())
                await what()
                loop.cancel()

        asyncio.run(main())


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(federation, "FIRST_RETRY", 0.001)
    monkeypatch.setattr(federation, "LAST_RETRY", 0.002)
    return Bench(tmp_path)


async def until(holds: Callable[[], object]) -> None:
    while not holds():  # noqa: ASYNC110 - the loop under test has no event for it
        await asyncio.sleep(0.001)


def test_without_a_source_our_own_roots_count_and_nothing_is_asked(bench: Bench) -> None:
    assert bench.federation.secrets(config()).keys() == {ROOTS}
    assert bench.federation.secrets(config(roots="")) == {}
    assert (bench.api.asked, bench.messages(), bench.federation.failed) == ([], [], ())


def test_what_is_told_of_the_domains_that_a_source_names_is_trusted_and_nothing_else(bench: Bench) -> None:
    said = config(SOURCE)
    assert bench.trusted(said) == {"cluster.local": OURS}
    assert bench.messages() == ["/api: it has told nothing yet; a.example: no root is told, its peers are refused"]

    async def main() -> None:
        bench.api.tell({"a.example": ONE, "b.example": TWO, "cluster.local": TWO})
        await until(lambda: bench.changes)

    bench.run(main)
    assert bench.trusted(said) == {"cluster.local": OURS, "a.example": ONE}
    assert bench.messages() == []
    assert bench.federation.secrets(said).keys() == {ROOTS, PEERS, domain_roots("a.example")}
    assert bench.federation.secrets(said) is bench.federation.secrets(config(SOURCE))


def test_a_source_may_name_our_own_domain_and_adds_to_its_roots(bench: Bench) -> None:
    said = config(msgspec.structs.replace(SOURCE, domains=("cluster.local",)))
    bench.federation.secrets(said)

    async def main() -> None:
        bench.api.tell({"cluster.local": ONE})
        await until(lambda: bench.changes)

    bench.run(main)
    assert bench.trusted(said) == {"cluster.local": OURS + ONE}
    own = secret_pb2.Secret.FromString(bench.federation.secrets(said)[ROOTS].value)
    assert own.validation_context.trusted_ca.inline_string == OURS + ONE


def test_an_api_that_is_away_changes_nothing_and_is_asked_again(bench: Bench) -> None:
    said = config(SOURCE)
    bench.federation.secrets(said)

    async def main() -> None:
        bench.api.tell({"a.example": ONE})
        await until(lambda: bench.changes)
        for _ in range(3):
            bench.api.tell(DriverError("no such file"))
        await until(lambda: len(bench.api.asked) == 4)
        assert bench.trusted(said) == {"cluster.local": OURS, "a.example": ONE}
        assert bench.messages() == ["/api: no such file; what it told last goes on"]
        assert bench.federation.failed == ("Workload API /api: no such file",)
        bench.api.tell({"a.example": ONE})
        await until(lambda: not bench.messages())
        assert bench.changes == 1  # nobody is told what is as it was
        bench.api.tell({"a.example": ONE + TWO})
        await until(lambda: bench.changes == 2)

    bench.run(main)
    assert bench.trusted(said)["a.example"] == ONE + TWO


@pytest.mark.parametrize("news", [{"b.example": TWO}, {"a.example": ""}, NotEntitledError("no")])
def test_what_is_withdrawn_is_trusted_no_more(bench: Bench, news: Any) -> None:
    said = config(SOURCE)
    bench.federation.secrets(said)

    async def main() -> None:
        bench.api.tell({"a.example": ONE})
        await until(lambda: bench.changes == 1)
        bench.api.tell(news)
        await until(lambda: bench.changes == 2)

    bench.run(main)
    assert bench.trusted(said) == {"cluster.local": OURS}
    (message,) = bench.messages()
    assert message.endswith("a.example: no root is told, its peers are refused")
    assert ("it grants nothing to this agent" in message) is isinstance(news, NotEntitledError)


def test_a_new_agent_goes_on_with_the_last_word_and_forgets_what_no_source_names(bench: Bench) -> None:
    said = config(SOURCE)
    bench.federation.secrets(said)

    async def main() -> None:
        bench.api.tell({"a.example": ONE})
        await until(bench.journal.exists)

    bench.run(main)
    assert bench.journal.stat().st_mode & 0o777 == 0o600
    bench.federation = bench.new()
    assert bench.trusted(said) == {"cluster.local": OURS, "a.example": ONE}
    bench.federation.secrets(config())
    assert bench.trusted(said) == {"cluster.local": OURS}  # who was gone has to tell anew


def test_a_journal_that_cannot_be_read_is_none(bench: Bench) -> None:
    bench.journal.write_text("{")
    bench.federation = bench.new()
    assert bench.trusted(config(SOURCE)) == {"cluster.local": OURS}


def test_several_sources_of_a_domain_are_joined_and_each_is_heard(bench: Bench) -> None:
    other = msgspec.structs.replace(SOURCE, socket="/other")
    said = config(SOURCE, other)
    bench.federation.secrets(said)

    async def main() -> None:
        await until(lambda: len(bench.api.asked) == 2)
        bench.api.tell({"a.example": ONE})
        bench.api.tell({"a.example": TWO})
        await until(lambda: bench.changes == 2)
        assert set(bench.api.asked) == {"/api", "/other"}
        assert sorted(bench.trusted(said)["a.example"]) == sorted(ONE + TWO)
        bench.trusted(config(SOURCE))
        bench.api.tell(DriverError("heard by one"))
        await until(lambda: len(bench.api.asked) > 2)
        assert set(bench.api.asked[2:]) == {"/api"}

    bench.run(main)


def test_roots_that_are_written_count_at_once_and_nobody_is_asked(bench: Bench) -> None:
    written = TrustSource(domains=("a.example", "b.example"), roots_pem=TWO, origin=AT)
    assert bench.trusted(config(written)) == {"cluster.local": OURS, "a.example": TWO, "b.example": TWO}
    assert bench.messages() == []
    assert bench.trusted(config(msgspec.structs.replace(written, roots_pem=""))) == {"cluster.local": OURS}
    assert bench.messages() == ["; ".join(f"{d}.example: no root is told, its peers are refused" for d in "ab")]
    bench.run(lambda: asyncio.sleep(0.01))
    assert (bench.api.asked, bench.federation.failed) == ([], ())


def test_where_our_own_root_does_not_sign_itself_the_source_is_told(bench: Bench) -> None:
    intermediate = Root.create("cluster.local", 1_800_000_000.0).issue(1_800_000_000.0).to_pem()[0]
    said = config(SOURCE, roots=intermediate)
    bench.federation.secrets(said)

    async def main() -> None:
        bench.api.tell({"a.example": ONE})
        await until(lambda: bench.changes)

    bench.run(main)
    assert bench.trusted(said) == {}
    (message,) = bench.messages()
    assert message.startswith("no root of our own authority signs itself")


def test_figures_count_what_is_missing(bench: Bench) -> None:
    bench.federation.secrets(config(SOURCE))

    def figures() -> Mapping[str, float]:
        return {m.name: m.samples[0].value for m in TrustFigures(bench.federation).collect()}

    assert figures() == {"tandem_trust_domains_untold": 1, "tandem_workload_apis_silent": 0}

    async def main() -> None:
        bench.api.tell({"a.example": ONE})
        bench.api.tell(DriverError("gone"))
        await until(lambda: bench.federation.failed)

    bench.run(main)
    assert figures() == {"tandem_trust_domains_untold": 0, "tandem_workload_apis_silent": 1}
