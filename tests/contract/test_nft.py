"""The nftables driver's promises, kept by the fake and by the kernel alike."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.nft.fake import FakeNft
from tandem.drivers.nft.plan import (
    AddChain,
    AddContainer,
    AddElements,
    AddRules,
    DeleteChain,
    DeleteContainer,
    DeleteElements,
    Delta,
    Operation,
    plan,
)
from tandem.drivers.nft.port import NftDriver
from tandem.drivers.nft.real import Libnftables
from tandem.state import nft
from tandem.state.nft import Field

pytestmark = pytest.mark.root

PEERS = nft.Set(name="peers", type=("ipv4_addr",), elements=frozenset({("10.0.0.1",)}))
JUDGE = nft.Chain(name="judge", rules=(nft.Rule(match=(nft.InSet((Field.SADDR4,), "peers"),), then=(nft.Accept(),)),))
PODS = nft.Map(name="pods", type=("ipv4_addr",), elements=frozenset({(("10.0.0.2",), nft.Goto("judge"))}))
BASE = nft.Chain(
    name="base",
    base=nft.Hook(type="filter", hook="forward", priority=0),
    rules=(nft.Rule(then=(nft.Dispatch((Field.DADDR4,), "pods"),), comment='say "hi" to <nobody> ü'),),
)
TABLE = nft.ruleset(chains=(JUDGE, BASE), sets=(PEERS,), maps=(PODS,))


@pytest.fixture(params=["fake", "real"])
def driver(request: pytest.FixtureRequest) -> Iterator[Callable[[], NftDriver]]:
    """Makes drivers of one table; the second is a restarted agent, which knows nothing."""
    if request.param == "fake":
        yield FakeNft
        return
    name = f"nftcontract-{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield lambda: Libnftables(f"/run/netns/{name}")
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def _loaded(make: Callable[[], NftDriver]) -> NftDriver:
    driver = make()
    driver.apply(plan(driver.read(), TABLE))
    return driver


def test_a_new_driver_knows_nothing_and_replaces_the_table(driver: Callable[[], NftDriver]) -> None:
    assert _loaded(driver).read() == TABLE
    again = driver()
    assert again.read() is None
    again.apply(plan(again.read(), TABLE))
    assert again.read() == TABLE


def test_every_kind_of_change_is_applied(driver: Callable[[], NftDriver]) -> None:
    loaded = _loaded(driver)
    more = nft.Set(name="peers", type=("ipv4_addr",), elements=frozenset({("10.0.0.3",), ("10.0.0.4",)}))
    other = nft.Chain(name="other", rules=(nft.Rule(then=(nft.Counter(), nft.Drop())),))
    pods = nft.Map(name="pods", type=("ipv4_addr",), elements=frozenset({(("10.0.0.2",), nft.Goto("other"))}))
    for desired in (
        nft.ruleset(chains=(JUDGE, BASE), sets=(more,), maps=(PODS,)),
        nft.ruleset(chains=(other, BASE), maps=(pods,)),
        nft.ruleset(),
        TABLE,
        nft.ruleset(chains=(JUDGE,), sets=(PEERS,), maps=(nft.Map(name="pods", type=("ipv6_addr",)),)),
    ):
        loaded.apply(plan(loaded.read(), desired))
        assert loaded.read() == desired


JUMP = nft.Rule(then=(nft.Jump("absent"),))
REFUSED: dict[str, Operation] = {
    "a chain that exists": AddChain("judge", None),
    "a set that exists": AddContainer(nft.Set(name="peers", type=("ipv4_addr",))),
    "a rule of no chain": AddRules("absent", (nft.Rule(then=(nft.Drop(),)),)),
    "a jump to no chain": AddRules("judge", (JUMP,)),
    "a lookup in no set": AddRules("judge", (nft.Rule(match=(nft.InSet((Field.SADDR4,), "no"),), then=(nft.Drop(),)),)),
    "a chain in use": DeleteChain("judge"),
    "a chain that is not there": DeleteChain("absent"),
    "a set in use": DeleteContainer(PEERS),
    "an element of no set": AddElements(nft.Set(name="no", type=("ipv4_addr",)), frozenset({("10.0.0.9",)})),
    "an element that is not there": DeleteElements(PEERS, frozenset({("10.0.0.9",)})),
    "a verdict to no chain": AddElements(PODS, frozenset({(("10.0.0.9",), nft.Goto("absent"))})),
    "a second verdict for a key": AddElements(PODS, frozenset({(("10.0.0.2",), nft.Drop())})),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refused_transaction_changes_nothing(driver: Callable[[], NftDriver], what: str) -> None:
    loaded = _loaded(driver)
    with pytest.raises(DriverError):
        loaded.apply(Delta(operations=(AddChain("first", None), REFUSED[what])))
    assert loaded.read() == TABLE
    loaded.apply(Delta(operations=(AddChain("first", None),)))


def test_a_change_without_a_table_is_refused(driver: Callable[[], NftDriver]) -> None:
    with pytest.raises(DriverError):
        driver().apply(Delta(operations=(AddChain("first", None),)))


def test_remove_may_be_repeated(driver: Callable[[], NftDriver]) -> None:
    loaded = _loaded(driver)
    loaded.remove()
    loaded.remove()
    assert loaded.read() is None
