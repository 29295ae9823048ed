"""NodeNet as it is and as it should be -> what to change. Pure: the driver's decisions without the kernel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from tandem.state.devices import Device, DeviceAddress, Forward, Neighbour
from tandem.state.links import NodeNet, Route


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDelta:
    """What to change on the node; removals before additions, devices before what is on them."""

    del_addresses: tuple[str, ...] = ()
    add_addresses: tuple[str, ...] = ()
    del_routes: tuple[Route, ...] = ()
    add_routes: tuple[Route, ...] = ()
    del_devices: tuple[str, ...] = ()
    add_devices: tuple[Device, ...] = ()
    set_devices: tuple[Device, ...] = ()
    """There already, but for MTU and settings."""
    del_on_devices: tuple[DeviceAddress, ...] = ()
    add_on_devices: tuple[DeviceAddress, ...] = ()
    del_neighbours: tuple[Neighbour, ...] = ()
    add_neighbours: tuple[Neighbour, ...] = ()
    del_forwards: tuple[Forward, ...] = ()
    add_forwards: tuple[Forward, ...] = ()


class _OnDevice(Protocol):
    @property
    def dev(self) -> str: ...


E = TypeVar("E", bound=_OnDevice)


def plan_node(actual: NodeNet, desired: NodeNet) -> NodeDelta:
    """The change from one to the other; empty for equal values.

    A device that cannot be changed into the wanted one is made anew, and what was on it with it. Where an entry is
    replaced by another for the same prefix, address or MAC address, nothing is removed before: it is never missing.
    """
    have, want = {d.name: d for d in actual.devices}, {d.name: d for d in desired.devices}
    gone = {name for name, device in have.items() if name not in want or not _becomes(device, want[name])}
    actual = replace(
        actual,
        routes=_staying(tuple(r for r in actual.routes if not (r.learnt and desired.learns)), gone),
        on_devices=_staying(actual.on_devices, gone),
        neighbours=_staying(actual.neighbours, gone),
        forwards=_staying(actual.forwards, gone),
    )
    there = {name: device for name, device in have.items() if name not in gone}
    routes = {(r.prefix, r.metric) for r in desired.routes}
    neighbours = {(n.dev, n.address) for n in desired.neighbours}
    forwards = {(f.dev, f.mac) for f in desired.forwards}
    return NodeDelta(
        del_addresses=_minus(actual.addresses, desired.addresses),
        add_addresses=_minus(desired.addresses, actual.addresses),
        del_routes=tuple(sorted(r for r in set(actual.routes) if (r.prefix, r.metric) not in routes)),
        add_routes=_minus(desired.routes, actual.routes),
        del_devices=tuple(sorted(gone)),
        add_devices=tuple(device for name, device in sorted(want.items()) if name not in there),
        set_devices=tuple(d for name, d in sorted(want.items()) if name in there and there[name] != d),
        del_on_devices=_minus(actual.on_devices, desired.on_devices),
        add_on_devices=_minus(desired.on_devices, actual.on_devices),
        del_neighbours=tuple(n for n in actual.neighbours if (n.dev, n.address) not in neighbours),
        add_neighbours=_minus(desired.neighbours, actual.neighbours),
        del_forwards=tuple(f for f in actual.forwards if (f.dev, f.mac) not in forwards),
        add_forwards=_minus(desired.forwards, actual.forwards),
    )


def _becomes(one: Device, other: Device) -> bool:
    return one == replace(other, mtu=one.mtu, settings=one.settings)


def _staying(entries: tuple[E, ...], gone: Iterable[str]) -> tuple[E, ...]:
    return tuple(e for e in entries if e.dev not in gone)


S = TypeVar("S", bound="str | Route | DeviceAddress | Neighbour | Forward")


def _minus(these: tuple[S, ...], those: tuple[S, ...]) -> tuple[S, ...]:
    without = set(those)
    return tuple(sorted(e for e in set(these) if e not in without))
