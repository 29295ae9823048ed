"""Cells as sets and maps."""

from __future__ import annotations

from tandem.compile.nft.verdicts_tables import Cell, Datum, tables
from tandem.ir.policy import PortMatch, Side
from tandem.state import nft
from tandem.state.nft import Field, Prefix, Range

ONE, TWO = ("ok-1",), ("ok-2",)
TCP80 = (PortMatch(protocol="TCP", first=80, last=80),)
MORE = (PortMatch(protocol="TCP", first=70, last=90), PortMatch(protocol="UDP"))
HOST = Prefix("10.0.0.1", 32)
WIDE = Prefix("10.0.0.0", 8)


def _tables(*cells: Cell) -> dict[str, nft.Set | nft.Map]:
    found = tables(cells, side=Side.EGRESS, name="c", then=(nft.Return(),), comment="")
    return {table.container.name: table.container for table in found}


def _of(cell: Prefix | None, ports: tuple[PortMatch, ...], datum: Datum) -> Cell:
    return Cell(cell, 4, ports, datum)


def test_hosts_and_single_ports_are_a_hash_and_the_rest_intervals() -> None:
    found = _tables(_of(HOST, TCP80, ONE), _of(WIDE, TCP80, ONE), _of(HOST, MORE, TWO), _of(WIDE, (), TWO))
    assert {name: set(part.elements) for name, part in found.items()} == {
        "c-h4": {(("10.0.0.1", "tcp", 80), ONE)},
        "c-b4-0": {((HOST, "tcp", Range(70, 79)), TWO), ((HOST, "tcp", Range(81, 90)), TWO)},
        "c-b4-1": {((WIDE, "tcp", 80), ONE)},
        "c-a4-0": {((HOST, "udp"), TWO)},
        "c-a4-1": {((WIDE, Range(0, 255)), TWO)},
    }
    assert [part.interval for part in found.values()] == [False, True, True, True, True]


def test_every_packet_of_a_prefix_covers_its_protocols() -> None:
    found = _tables(_of(WIDE, (PortMatch(protocol="TCP"),), ONE), _of(WIDE, (), TWO))
    assert set(found["c-a4-0"].elements) == {((WIDE, Range(0, 255)), TWO)}


def test_ports_of_anyone_have_no_address() -> None:
    found = _tables(_of(None, TCP80, ONE), _of(None, MORE, TWO))
    assert {name: set(part.elements) for name, part in found.items()} == {
        "c-p": {(("tcp", 80), ONE)},
        "c-q": {
            (("tcp", Range(70, 79)), TWO),
            (("tcp", Range(81, 90)), TWO),
            (("udp", Range(0, 65535)), TWO),
        },
    }


def test_what_says_a_verdict_is_a_verdict_map_and_what_says_nothing_a_set() -> None:
    fields = (Field.DADDR4, Field.L4PROTO, Field.DPORT)
    (goes,) = tables([_of(HOST, TCP80, nft.Goto("no-1"))], side=Side.EGRESS, name="c", then=(), comment="why")
    assert goes.rule == nft.Rule(then=(nft.Dispatch(fields, "c-h4"),), comment="why")
    assert isinstance(goes.container, nft.Map)
    assert goes.container.data == ("verdict",)
    (there,) = tables([_of(HOST, TCP80, None)], side=Side.EGRESS, name="c", then=(nft.Return(),), comment="")
    assert there.rule == nft.Rule(match=(nft.InSet(fields, "c-h4"),), then=(nft.Return(),))
    assert set(there.container.elements) == {("10.0.0.1", "tcp", 80)}
