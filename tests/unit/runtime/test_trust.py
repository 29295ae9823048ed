"""Another authority becomes the mesh's own: nodes trust it first, control may die, mistakes change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from tandem.base.cell import Cell
from tandem.base.clock import FixedClock
from tandem.drivers.ca.authority import INTERMEDIATE_LIFE, Authority, Root
from tandem.identity.trust import KEEP, Trust
from tandem.ingest.errors import ApiError
from tandem.ingest.fake import FakeKube
from tandem.ingest.kube import KubeClient
from tandem.model.kinds import BY_KIND
from tandem.model.world import World
from tandem.runtime import trust
from tandem.runtime.authority import ISTIO, KIND, NAME, NAMESPACE, read_world, secret_of
from tandem.runtime.trust import TrustLoop

Story = Callable[["Bench"], Awaitable[None]]


class Bench:
    """A loop with everything around it."""

    def __init__(self) -> None:
        self.clock = FixedClock(1_800_000_000.0)
        self.kube = FakeKube(clock=self.clock)
        self.worlds: Cell[World] = Cell(World())
        self.loop = self.new()
        self.asked: list[Trust] = []
        self.trusted = asyncio.Event()
        self.trusted.set()

    def new(self) -> TrustLoop:
        return TrustLoop(cast("KubeClient", self.kube), self.clock)

    async def everywhere(self, wanted: Trust) -> None:
        self.asked.append(wanted)
        await self.trusted.wait()

    async def see(self) -> None:
        """The informer has what is in the API."""
        self.worlds.put(await read_world(cast("KubeClient", self.kube)))

    async def give(self, authority: Authority) -> None:
        await self.kube.patch(KIND, NAMESPACE, NAME, {"data": secret_of(authority)["data"]})
        await self.see()

    async def until(self, holds: Callable[[], Any]) -> None:
        while not holds():
            await self.see()
            await asyncio.sleep(0.005)

    @property
    def signer(self) -> str:
        found = self.loop.authority.value
        return found.signer if found is not None else ""

    async def kept(self) -> str:
        found: str = (await self.kube.get(BY_KIND["ConfigMap"], NAMESPACE, trust.STATE))["data"]["trust.json"]
        return found


def play(story: Story) -> None:
    async def whole() -> None:
        bench = Bench()
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            await bench.loop.begin("cluster.local")
            running = tasks.create_task(bench.loop.run(bench.worlds, bench.everywhere))
            await bench.see()
            await story(bench)
            running.cancel()

    asyncio.run(whole())


def test_the_first_authority_signs_at_once() -> None:
    async def story(bench: Bench) -> None:
        assert bench.signer == bench.loop.trust.value.signer != ""
        assert bench.signer in await bench.kept()
        assert (await bench.loop.signing()).signer == bench.signer
        assert bench.loop.problems() == ()

    play(story)


def test_another_signs_once_every_node_trusts_it_and_the_root_before_it_goes_last() -> None:
    async def story(bench: Bench) -> None:
        before, new = bench.signer, Authority.create("cluster.local", bench.clock.now())
        first = bench.loop.trust.value.pem
        bench.trusted.clear()
        await bench.give(new)
        await bench.until(lambda: bench.asked)
        assert bench.asked[0].pem == bench.loop.trust.value.pem == first + new.roots
        assert (bench.signer, bench.loop.trust.value.signer) == (before, before)
        bench.trusted.set()
        await bench.until(lambda: bench.signer == new.signer)
        assert bench.loop.trust.value.signer == new.signer
        assert bench.loop.trust.value.ends == bench.clock.now() + KEEP
        assert new.signer in await bench.kept()
        bench.clock.advance(KEEP)
        await bench.give(new.__class__.load(*new.to_pem()))
        await bench.kube.patch(KIND, NAMESPACE, NAME, {"metadata": {"labels": {"touched": "yes"}}})
        await bench.until(lambda: bench.loop.trust.value.pem == new.roots)

    play(story)


def test_a_control_that_begins_in_between_signs_nothing_before_every_node_trusts_the_new_one() -> None:
    async def story(bench: Bench) -> None:
        new = Authority.create("cluster.local", bench.clock.now())
        await bench.kube.patch(KIND, NAMESPACE, NAME, {"data": secret_of(new)["data"]})
        again = bench.new()
        await again.begin("cluster.local")
        assert again.authority.value is None
        bench.trusted.clear()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(again.run(bench.worlds, bench.everywhere))
            asking = tasks.create_task(again.signing())
            await bench.until(lambda: bench.asked)
            assert not asking.done()
            bench.trusted.set()
            assert (await asking).signer == new.signer
            running.cancel()

    play(story)


def test_a_node_that_never_trusts_it_holds_nobody_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "PATIENCE", 0.05)

    async def story(bench: Bench) -> None:
        bench.trusted.clear()
        new = Authority.create("cluster.local", bench.clock.now())
        await bench.give(new)
        await bench.until(lambda: bench.signer == new.signer)

    play(story)


def test_a_secret_that_is_none_changes_nothing_and_is_told_until_it_is_mended() -> None:
    async def story(bench: Bench) -> None:
        before = bench.signer
        await bench.kube.patch(KIND, NAMESPACE, NAME, {"data": {"tls.key": "bm9uc2Vuc2U="}})
        await bench.until(bench.loop.problems)
        (problem,) = bench.loop.problems()
        assert (problem.at.kind, problem.at.name, problem.code) == ("Secret", NAME, "InvalidAuthority")
        assert "not an unencrypted private key in PEM; the authority before it goes on" in problem.text
        assert bench.signer == before
        new = Authority.create("cluster.local", bench.clock.now())
        await bench.give(new)
        await bench.until(lambda: bench.signer == new.signer)
        assert bench.loop.problems() == ()

    play(story)


def test_what_is_plugged_into_istio_and_counts_for_nothing_is_told_and_the_rest_of_it_counts() -> None:
    async def story(bench: Bench) -> None:
        new = Authority.create("cluster.local", bench.clock.now())
        raw = secret_of(new)
        raw["metadata"] = dict(zip(("namespace", "name"), ISTIO, strict=True))
        raw["data"]["ca-crl.pem"] = "eA=="
        await bench.kube.create(KIND, raw)
        await bench.until(lambda: bench.signer == new.signer)
        (problem,) = bench.loop.problems()
        assert (problem.code, problem.at.path) == ("UnsupportedField", "data[ca-crl.pem]")

    play(story)


def test_our_own_intermediate_is_renewed_at_half_of_its_life_below_the_same_root() -> None:
    async def story(bench: Bench) -> None:
        before, roots = bench.signer, bench.loop.trust.value.roots
        bench.clock.advance(INTERMEDIATE_LIFE / 2)
        await bench.kube.patch(KIND, NAMESPACE, NAME, {"metadata": {"labels": {"touched": "yes"}}})
        await bench.until(lambda: bench.signer != before)
        assert bench.loop.trust.value.roots == roots

    play(story)


def test_what_ends_soon_is_told_where_our_root_is_kept_elsewhere() -> None:
    async def story(bench: Bench) -> None:
        await bench.kube.delete(KIND, NAMESPACE, "tandem-root")
        before = bench.signer
        bench.clock.advance(INTERMEDIATE_LIFE - 86_400)
        (problem,) = bench.loop.problems()
        assert (problem.code, problem.severity.value) == ("AuthorityEnds", "warning")
        assert bench.signer == before
        bench.clock.advance(86_400)
        await bench.kube.patch(KIND, NAMESPACE, NAME, {"metadata": {"labels": {"touched": "yes"}}})
        await bench.until(lambda: "no longer valid" in bench.loop.problems()[0].text)

    play(story)


def test_a_root_of_ours_that_did_not_issue_the_authority_renews_nothing() -> None:
    async def story(bench: Bench) -> None:
        new = Root.create("cluster.local", bench.clock.now()).issue(bench.clock.now())
        await bench.give(new)
        await bench.until(lambda: bench.signer == new.signer)
        bench.clock.advance(INTERMEDIATE_LIFE * 0.9)
        await bench.kube.patch(KIND, NAMESPACE, NAME, {"metadata": {"labels": {"touched": "yes"}}})
        for _ in range(20):
            await bench.see()
            await asyncio.sleep(0.002)
        assert bench.signer == new.signer

    play(story)


@pytest.mark.parametrize("data", [{}, {"trust.json": "nonsense"}, {"trust.json": '{"roots": 1}'}])
def test_what_somebody_wrote_over_begins_anew_with_the_authority_that_there_is(data: dict[str, str]) -> None:
    async def story(bench: Bench) -> None:
        raw = await bench.kube.get(BY_KIND["ConfigMap"], NAMESPACE, trust.STATE)
        await bench.kube.replace(BY_KIND["ConfigMap"], {**raw, "data": data})
        again = bench.new()
        await again.begin("cluster.local")
        assert again.trust.value == bench.loop.trust.value
        assert again.trust.value.signer in await bench.kept()

    play(story)


def test_an_api_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "RETRY_SECONDS", 0.01)

    async def story(bench: Bench) -> None:
        new = Authority.create("cluster.local", bench.clock.now())
        await bench.kube.patch(KIND, NAMESPACE, NAME, {"data": secret_of(new)["data"]})
        world = await read_world(cast("KubeClient", bench.kube))
        bench.kube.fail_next(ApiError(500, "InternalError", "disk"))
        bench.worlds.put(world)
        _, found = await bench.loop.authority.after(1)
        assert found is not None
        assert found.signer == new.signer

    play(story)
