"""Many rules with one kind of verdict -> a few look-ups, whatever the number of rules. Pure.

| table | key | kernel |
|---|---|---|
| h4, h6 | address . protocol . port | hash |
| b4-N, b6-N | prefix . protocol . ports, of layer N | intervals |
| a4-N, a6-N | prefix . protocol or all, of layer N | intervals |
| p, q | protocol . port, protocol . ports: of anyone | hash, intervals |

Where several rules have a packet, the first of those in the first table answers. A table is a map to counters (what is
allowed and counted), to verdicts (what is denied, each by its rule), or a set (where nothing depends on the rule).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

from tandem.compile.nft.families import FAMILIES, Family
from tandem.compile.nft.verdicts_space import first_of, layers
from tandem.ir.policy import PortMatch, Side
from tandem.state import nft
from tandem.state.nft import Field, Struct

EVERY_PORT: Final = nft.Range(0, 65535)
_EVERY_PROTOCOL: Final = nft.Range(0, 255)
PORT: Final = (Field.L4PROTO, Field.DPORT)
PORT_TYPE: Final = ("inet_proto", "inet_service")

Datum = nft.Goto | nft.Key | None
"""What a table says of a key: a verdict, `(counter,)`, or only that it is there."""


class Cell(Struct, frozen=True):
    """Packets from (to) `prefix`, None: anyone, to one of `ports`, none: every packet; and what is said of them."""

    prefix: nft.Prefix | None
    version: int
    ports: tuple[PortMatch, ...]
    datum: Datum


class Table(Struct, frozen=True):
    """A set or map and the rule that asks it."""

    container: nft.Set | nft.Map
    rule: nft.Rule


Element = tuple[nft.Key, Datum]
Ranges = list[tuple[int, int, Datum]]


def tables(
    cells: Sequence[Cell], *, side: Side, name: str, then: tuple[nft.Statement, ...], comment: str
) -> list[Table]:
    """The tables of `cells`, whose names begin with `name`; `then` follows what a table answers, if that is no verdict.

    Cells of anyone have ports.
    """
    found: list[Table] = []
    for family in FAMILIES:
        own = [cell for cell in cells if cell.prefix is not None and cell.version == family.version]
        if own:
            found += _by_address(own, family, side=side, name=name, then=then, comment=comment)
    anyone = [cell for cell in cells if cell.prefix is None]
    single, ranges = _of_ports(anyone)
    found += _table(f"{name}-p", PORT, PORT_TYPE, single, interval=False, then=then, comment=comment)
    found += _table(f"{name}-q", PORT, PORT_TYPE, ranges, interval=True, then=then, comment=comment)
    return found


def _by_address(
    cells: list[Cell], family: Family, *, side: Side, name: str, then: tuple[nft.Statement, ...], comment: str
) -> list[Table]:
    field = family.saddr if side is Side.INGRESS else family.daddr
    whole = 32 if family.version == 4 else 128
    hosts: list[Element] = []
    blocks: dict[nft.Prefix, list[Element]] = {}
    alone: dict[nft.Prefix, list[Element]] = {}
    for prefix, given in _by_prefix(cells).items():
        protocols = _protocols(given)
        if protocols:
            alone[prefix] = [((prefix, protocol), datum) for protocol, datum in protocols]
        single, ranges = _of_ports(given)
        if prefix.length == whole:
            hosts += [((prefix.address, *key), datum) for key, datum in single]
            single = []
        if single or ranges:
            blocks[prefix] = [((prefix, *key), datum) for key, datum in (*single, *ranges)]
    version = family.version
    with_ports, types = (field, *PORT), (family.type, *PORT_TYPE)
    found = _table(f"{name}-h{version}", with_ports, types, hosts, interval=False, then=then, comment=comment)
    for layer, elements in _in_layers(blocks):
        table_name = f"{name}-b{version}-{layer}"
        found += _table(table_name, with_ports, types, elements, interval=True, then=then, comment=comment)
    for layer, elements in _in_layers(alone):
        table_name = f"{name}-a{version}-{layer}"
        found += _table(table_name, with_ports[:2], types[:2], elements, interval=True, then=then, comment=comment)
    return found


def _by_prefix(cells: list[Cell]) -> dict[nft.Prefix, list[Cell]]:
    found: dict[nft.Prefix, list[Cell]] = {}
    for cell in cells:
        if cell.prefix is not None:
            found.setdefault(cell.prefix, []).append(cell)
    return found


def _in_layers(found: dict[nft.Prefix, list[Element]]) -> list[tuple[int, list[Element]]]:
    layer = layers(found)
    ordered = sorted(found, key=lambda prefix: layer[prefix])
    return [(n, [e for p in group for e in found[p]]) for n, group in groupby(ordered, key=lambda p: layer[p])]


def _protocols(cells: list[Cell]) -> list[tuple[nft.Atom, Datum]]:
    """What is said of every packet, or of every packet of a protocol."""
    for cell in cells:
        if not cell.ports:
            return [(_EVERY_PROTOCOL, cell.datum)]
    found: dict[str, Datum] = {}
    for cell in cells:
        for port in cell.ports:
            if _is_whole(port):
                found.setdefault(port.protocol.lower(), cell.datum)
    return list(found.items())


def _is_whole(port: PortMatch) -> bool:
    return (port.first, port.last) == (EVERY_PORT.first, EVERY_PORT.last)


def _of_ports(cells: Iterable[Cell]) -> tuple[list[Element], list[Element]]:
    """Keys (protocol, port) and (protocol, range of ports), which have nothing in common.

    Whole protocols are among them for cells of anyone only.
    """
    ranges: dict[str, Ranges] = {}
    for cell in cells:
        for port in cell.ports:
            if cell.prefix is None or not _is_whole(port):
                ranges.setdefault(port.protocol.lower(), []).append((port.first, port.last, cell.datum))
    single: list[Element] = []
    several: list[Element] = []
    for protocol, given in sorted(ranges.items()):
        for first, last, datum in first_of(given):
            if first == last:
                single.append(((protocol, first), datum))
            else:
                several.append(((protocol, nft.Range(first, last)), datum))
    return single, several


def _table(
    name: str,
    fields: tuple[Field, ...],
    types: tuple[str, ...],
    elements: list[Element],
    *,
    interval: bool,
    then: tuple[nft.Statement, ...],
    comment: str,
) -> list[Table]:
    """No table without elements."""
    if not elements:
        return []
    datum = elements[0][1]
    keys = frozenset(key if data is None else (key, data) for key, data in elements)
    made = container(name, types, datum, elements=keys, interval=interval)
    return [Table(made, question(fields, name, datum, then=then, comment=comment))]


def container(
    name: str, types: tuple[str, ...], datum: Datum, *, elements: frozenset[Any], interval: bool = False
) -> nft.Set | nft.Map:
    """What holds elements of the kind of `datum`: keys alone where there is none."""
    if datum is None:
        return nft.Set(name=name, type=types, interval=interval, elements=elements)
    data = ("verdict",) if isinstance(datum, nft.Goto) else ("counter",)
    return nft.Map(name=name, type=types, data=data, interval=interval, elements=elements)


def question(
    fields: tuple[Field, ...], name: str, datum: Datum, *, then: tuple[nft.Statement, ...], comment: str
) -> nft.Rule:
    """The rule that asks it; `then` follows what it answers, if that is no verdict."""
    if datum is None:
        return nft.Rule(match=(nft.InSet(fields, name),), then=then, comment=comment)
    asked = (nft.Dispatch(fields, name),) if isinstance(datum, nft.Goto) else (nft.CountBy(fields, name), *then)
    return nft.Rule(then=asked, comment=comment)
