"""Whatever the World, the kernel takes the compiled table, and each change from one World's table to another's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import pod, policy, world
from netns.podlab import space
from nodeviews import view_of
from property.worlds import worlds
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.drivers.nft.split import split
from tandem.model.world import World

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def driver() -> Iterator[Libnftables]:
    with space() as name:
        yield Libnftables(f"/run/netns/{name}")


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_the_kernel_takes_every_table_and_every_change(driver: Libnftables, data: st.DataObject) -> None:
    found: World = data.draw(worlds())
    wanted = compile_nft(view_of(found))
    for part in split(plan(driver.read(), wanted), data.draw(st.sampled_from((3, 50, 1000)))):
        driver.apply(part)
    assert driver.read() == wanted


def test_a_set_of_a_thousand_peers_is_taken_in_one_transaction(driver: Libnftables) -> None:
    prefixes = [f"10.{i // 250}.{i % 250}" for i in range(1000)]
    blocks = [{"ipBlock": {"cidr": f"{p}.0/24", "except": [f"{p}.7/32"]}} for p in prefixes]
    found = world(pod("a"), policy(ingress=[{"from": blocks, "ports": [{"port": 80}]}]))
    driver.apply(plan(driver.read(), compile_nft(view_of(found))))
