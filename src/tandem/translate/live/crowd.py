"""The pods of the newest World as policies see them, and what selectors find among them, kept up one pod at a time.

Pods that no selector can tell apart (namespace, labels, named ports) are one Kin: a selector is tried once for each new
Kin, and a Kin once for each new selector, and of these only those that share a label where the selector asks for one.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tandem.base.addresses import order
from tandem.base.ids import GroupId
from tandem.ir.policy import AddressGroup
from tandem.model.selectors import matches
from tandem.translate.policy.draft import PodSelector
from tandem.translate.policy.select import group_id

Ports = tuple[tuple[str, str, int], ...]
"""(name, protocol, number)."""
Labels = tuple[tuple[str, str], ...]
KinKey = tuple[str, Labels, Ports, bool]
Pair = tuple[str, str]
_FEW: Final = 8
"""Up to one in so many addresses of a group is put or removed by itself; beyond that the group is sorted anew."""


class Kin:
    """Pods that no selector tells apart. `subject`: policies can isolate them."""

    __slots__ = ("labels", "members", "namespace", "ports", "selections", "subject")

    def __init__(self, key: KinKey) -> None:
        self.namespace, pairs, self.ports, self.subject = key
        self.labels: Mapping[str, str] = dict(pairs)
        self.members: dict[str, tuple[str, ...]] = {}
        """Uid -> addresses."""
        self.selections: set[Selection] = set()

    @property
    def key(self) -> KinKey:
        """What they have in common."""
        return self.namespace, tuple(self.labels.items()), self.ports, self.subject


class Selection:
    """What one selector finds. `uses`: by how many it is asked for."""

    __slots__ = ("addresses", "grouped", "id", "kins", "selector", "touched", "uses")

    def __init__(self, selector: PodSelector, name: GroupId) -> None:
        self.selector, self.id = selector, name
        self.uses = 0
        self.kins: set[Kin] = set()
        self.grouped = 0
        """By how many its addresses are asked for."""
        self.addresses: tuple[str, ...] = ()
        self.touched: set[str] = set()
        """Addresses that may have come or gone since."""

    @property
    def cells(self) -> tuple[str | None, Pair | None]:
        """Where candidates for it are found: in one namespace (None: in all), among those with a label."""
        selector = self.selector
        where = selector.namespace if selector.namespaces is None else None
        return where, min(selector.pods.match_labels.items(), default=None)


class Crowd:
    """Everything in it is kept up by `put`, `drop` and `label`; `take` and `stirred` say what these have changed."""

    def __init__(self) -> None:
        self.stirred: set[Selection] = set()
        """Selections whose addresses may be others now; taken by `addresses`."""
        self._dirty: set[Selection] = set()
        self._fresh: set[Kin] = set()
        self._kins: dict[KinKey, Kin] = {}
        self._of: dict[str, Kin] = {}
        self._owners: dict[str, tuple[str, ...]] = {}
        self._selections: dict[GroupId, Selection] = {}
        self._cells: dict[tuple[str | None, Pair | None], set[Selection]] = {}
        self._places: dict[tuple[str | None, Pair | None], set[Kin]] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}

    def take(self) -> tuple[set[Selection], set[Kin]]:
        """Selections that found or lost a Kin, and Kins that are new, gone, or found by others, since the last call."""
        found = self._dirty, self._fresh
        self._dirty, self._fresh = set(), set()
        return found

    def kin_of(self, uid: str) -> Kin | None:
        """Those that a pod belongs to; None if it is not here."""
        return self._of.get(uid)

    def put(self, uid: str, key: KinKey, addresses: Iterable[str]) -> None:
        """The pod is this, now."""
        kin = self._kins.get(key) or self._new(key)
        texts = tuple(dict.fromkeys(str(ipaddress.ip_address(a)) for a in addresses))
        before = self._of.get(uid)
        if before is kin:
            if kin.members[uid] == texts:
                return
            self._disown(uid, kin)
        elif before is not None:
            self._leave(uid, before)
        self._of[uid] = kin
        kin.members[uid] = texts
        for address in texts:
            self._owners[address] = (*self._owners.get(address, ()), uid)
        self._touch(kin, texts)

    def drop(self, uid: str) -> None:
        """The pod is no more."""
        before = self._of.pop(uid, None)
        if before is not None:
            self._leave(uid, before)

    def _disown(self, uid: str, kin: Kin) -> None:
        addresses = kin.members.pop(uid)
        for address in addresses:
            left = tuple(u for u in self._owners[address] if u != uid)
            if left:
                self._owners[address] = left
            else:
                del self._owners[address]
        self._touch(kin, addresses)

    def _leave(self, uid: str, kin: Kin) -> None:
        self._disown(uid, kin)
        if kin.members:
            return
        del self._kins[kin.key]
        self._fresh.add(kin)
        for place in _places(kin):
            self._places[place].discard(kin)
            if not self._places[place]:
                del self._places[place]
        for selection in kin.selections:
            selection.kins.discard(kin)
            self._dirty.add(selection)

    def _touch(self, kin: Kin, addresses: Iterable[str]) -> None:
        for selection in kin.selections:
            if selection.grouped:
                self._stir(selection, addresses)

    def _stir(self, selection: Selection, addresses: Iterable[str]) -> None:
        selection.touched.update(addresses)
        self.stirred.add(selection)

    def _new(self, key: KinKey) -> Kin:
        kin = self._kins[key] = Kin(key)
        for place in _places(kin):
            self._places.setdefault(place, set()).add(kin)
        for where in (kin.namespace, None):
            for pair in (None, *kin.labels.items()):
                for selection in self._cells.get((where, pair), ()):
                    self._judge(selection, kin)
        self._fresh.add(kin)
        return kin

    def label(self, namespace: str, labels: Mapping[str, str] | None) -> None:
        """The labels of a namespace are these, now; None: nobody says so."""
        if labels is None:
            self._namespaces.pop(namespace, None)
        else:
            self._namespaces[namespace] = labels
        wide = [s for (where, _), found in self._cells.items() if where is None for s in found]
        for kin in self._places.get((namespace, None), ()):
            for selection in wide:
                self._judge(selection, kin)

    def acquire(self, selector: PodSelector) -> Selection:
        """What the selector finds, kept up until it is released as often as it was acquired."""
        name = group_id(selector)
        selection = self._selections.get(name)
        if selection is None:
            selection = self._selections[name] = Selection(selector, name)
            self._cells.setdefault(selection.cells, set()).add(selection)
            for kin in list(self._places.get(selection.cells, ())):
                self._judge(selection, kin)
        selection.uses += 1
        return selection

    def release(self, selection: Selection) -> None:
        """It is asked for once less."""
        selection.uses -= 1
        if selection.uses:
            return
        del self._selections[selection.id]
        self.stirred.discard(selection)
        self._dirty.discard(selection)
        cell = self._cells[selection.cells]
        cell.discard(selection)
        if not cell:
            del self._cells[selection.cells]
        for kin in selection.kins:
            kin.selections.discard(selection)

    def reconsider(self, selection: Selection) -> None:
        """Those whom it finds are judged otherwise now."""
        self._fresh |= selection.kins

    def group(self, selection: Selection, step: int) -> None:
        """Its addresses are asked for once more, or (-1) less."""
        selection.grouped += step
        if not selection.grouped:
            self.stirred.discard(selection)
        if step > 0 and selection.grouped == 1:
            selection.addresses, selection.touched = (), set()
            self._stir(selection, (a for kin in selection.kins for own in kin.members.values() for a in own))

    def has(self, selection: Selection, address: str) -> bool:
        """True if it finds a pod with this address now."""
        return any(self._of[uid] in selection.kins for uid in self._owners.get(address, ()))

    def addresses(self, selection: Selection) -> AddressGroup:
        """The group of what it finds now."""
        touched, selection.touched = selection.touched, set()
        self.stirred.discard(selection)
        found = selection.addresses
        here = {address for address in touched if self.has(selection, address)}
        if len(touched) * _FEW > len(found):
            found = tuple(sorted((set(found) - touched) | here, key=order))
        else:
            for address in touched:
                at = bisect_left(found, order(address), key=order)
                there = at < len(found) and found[at] == address
                if address in here and not there:
                    found = (*found[:at], address, *found[at:])
                elif there and address not in here:
                    found = (*found[:at], *found[at + 1 :])
        selection.addresses = found
        return AddressGroup(id=selection.id, addresses=found)

    def _judge(self, selection: Selection, kin: Kin) -> None:
        selector = selection.selector
        found = matches(selector.pods, kin.labels) and (selector.port is None or selector.port in kin.ports)
        if found and selector.namespaces is not None:
            found = matches(selector.namespaces, self._labels_of(kin.namespace))
        if found == (kin in selection.kins):
            return
        if found:
            selection.kins.add(kin)
            kin.selections.add(selection)
        else:
            selection.kins.discard(kin)
            kin.selections.discard(selection)
        self._dirty.add(selection)
        self._fresh.add(kin)
        if selection.grouped:
            self._stir(selection, (a for own in kin.members.values() for a in own))

    def _labels_of(self, namespace: str) -> Mapping[str, str]:
        return self._namespaces.get(namespace) or {"kubernetes.io/metadata.name": namespace}


def _places(kin: Kin) -> Iterator[tuple[str | None, Pair | None]]:
    for where in (kin.namespace, None):
        yield where, None
        for pair in kin.labels.items():
            yield where, pair
