"""What is held and what is wanted -> what is changed."""

from __future__ import annotations

from tandem.drivers.bpf.plan import plan
from tandem.drivers.bpf.port import Delta, Held
from tandem.state.fastpath import FastEnd

ONE = FastEnd(address="10.0.0.2", host_ifname="td1", mac="02:00:00:00:00:01")
ONE6 = FastEnd(address="fd00::2", host_ifname="td1", mac="02:00:00:00:00:01")
TWO = FastEnd(address="10.0.0.3", host_ifname="td2", mac="02:00:00:00:00:02")


def held(*ends: FastEnd, earlier: tuple[str, ...] = ()) -> Held:
    links = frozenset(end.host_ifname for end in ends)
    return Held(ends=frozenset(ends), links=links, earlier=frozenset(earlier))


def test_what_is_held_already_changes_nothing() -> None:
    assert not plan(held(ONE, ONE6, TWO), (ONE, ONE6, TWO))
    assert not plan(held(), ())


def test_a_link_is_attached_with_its_first_address_and_detached_with_its_last() -> None:
    assert plan(held(), (ONE, ONE6)) == Delta(put=(ONE, ONE6), attach=("td1",))
    assert plan(held(ONE), (ONE, ONE6)) == Delta(put=(ONE6,))
    assert plan(held(ONE, ONE6), (ONE6,)) == Delta(drop=(ONE,))
    assert plan(held(ONE, ONE6, TWO), (TWO,)) == Delta(drop=(ONE, ONE6), detach=("td1",))


def test_an_earlier_drivers_filter_is_replaced_where_it_is_wanted_and_else_taken_off() -> None:
    assert plan(held(earlier=("td1", "td9")), (ONE,)) == Delta(put=(ONE,), attach=("td1",), detach=("td9",))


def test_another_mac_address_is_another_end() -> None:
    other = FastEnd(address=ONE.address, host_ifname="td1", mac="02:00:00:00:00:99")
    assert plan(held(ONE), (other,)) == Delta(put=(other,), drop=(ONE,))
