"""The nftables driver's promises, kept by the fake and by the kernel alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from netns.podlab import space
from tandem.base.problems import DriverError
from tandem.drivers.nft.fake import FakeNft
from tandem.drivers.nft.plan import (
    AddChain,
    AddContainer,
    AddCounters,
    AddElements,
    AddRules,
    DeleteChain,
    DeleteContainer,
    DeleteCounters,
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
COUNT = nft.Chain(
    name="count",
    rules=(
        nft.Rule(then=(nft.Counter("one"),)),
        nft.Rule(then=(nft.CountBy((Field.SADDR4, Field.L4PROTO, Field.DPORT), "by"), nft.Accept())),
    ),
)
BY = nft.Map(
    name="by",
    type=("ipv4_addr", "inet_proto", "inet_service"),
    data=("counter",),
    interval=True,
    elements=frozenset(
        {
            ((nft.Prefix("0.0.0.0", 0), "tcp", nft.Range(1, 9)), ("two",)),
            ((nft.Prefix("10.0.0.0", 8), "udp", 53), ("two",)),
            (("10.0.0.1", nft.Range(0, 255), nft.Range(0, 65535)), ("one",)),
        }
    ),
)
TABLE = nft.ruleset(
    chains=(JUDGE, BASE, COUNT), sets=(PEERS,), maps=(PODS, BY), counters=frozenset({"one", "two", "idle"})
)


@pytest.fixture(params=["fake", "real"])
def driver(request: pytest.FixtureRequest) -> Iterator[Callable[[], NftDriver]]:
    """Makes drivers of one table; the second is a restarted agent, which knows nothing."""
    if request.param == "fake":
        yield FakeNft
        return
    with space() as name:
        yield lambda: Libnftables(f"/run/netns/{name}")


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
        nft.ruleset(chains=(other, BASE), maps=(pods,), counters=frozenset({"idle", "new"})),
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
    "a counter that exists": AddCounters(frozenset({"one"})),
    "a counter that is not there": DeleteCounters(frozenset({"absent"})),
    "a counter that a rule uses": DeleteCounters(frozenset({"idle", "one"})),
    "a counter that a map uses": DeleteCounters(frozenset({"two"})),
    "a rule that counts nowhere": AddRules("judge", (nft.Rule(then=(nft.Counter("absent"),)),)),
    "a rule that counts by no map": AddRules("judge", (nft.Rule(then=(nft.CountBy((Field.SADDR4,), "absent"),)),)),
    "an element that counts nowhere": AddElements(
        BY, frozenset({((nft.Prefix("10.1.0.0", 16), "sctp", 9), ("absent",))})
    ),
    "a second verdict for a key": AddElements(PODS, frozenset({(("10.0.0.2",), nft.Drop())})),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refused_transaction_changes_nothing(driver: Callable[[], NftDriver], what: str) -> None:
    loaded = _loaded(driver)
    with pytest.raises(DriverError):
        loaded.apply(Delta(operations=(AddChain("first", None), REFUSED[what])))
    assert loaded.read() == TABLE
    loaded.apply(Delta(operations=(AddChain("first", None),)))


def test_what_is_forgotten_is_there_and_is_replaced_by_the_next_plan(driver: Callable[[], NftDriver]) -> None:
    assert not driver().present()
    loaded = _loaded(driver)
    loaded.forget()
    assert loaded.present()
    assert loaded.read() is None
    loaded.apply(plan(loaded.read(), TABLE))
    assert loaded.read() == TABLE
    loaded.remove()
    assert not loaded.present()


def test_a_change_without_a_table_is_refused(driver: Callable[[], NftDriver]) -> None:
    with pytest.raises(DriverError):
        driver().apply(Delta(operations=(AddChain("first", None),)))


def test_remove_may_be_repeated(driver: Callable[[], NftDriver]) -> None:
    loaded = _loaded(driver)
    loaded.remove()
    loaded.remove()
    assert loaded.read() is None


def test_every_counter_of_the_table_is_told(driver: Callable[[], NftDriver]) -> None:
    loaded = _loaded(driver)
    assert loaded.counted() == {"one": 0, "two": 0, "idle": 0}
    loaded.apply(plan(loaded.read(), nft.ruleset(counters=frozenset({"idle", "new"}))))
    assert loaded.counted() == {"idle": 0, "new": 0}
    loaded.remove()
    with pytest.raises(DriverError):
        loaded.counted()
