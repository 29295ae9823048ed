"""`tandem verify matrix`: every end against every other, what should happen and what did.

In: a World, the ends, and what probes have seen. Out: a Matrix, JSON-ready, and its tables. Pure: who sends packets is
`runtime/matrix.py`. What should happen is said by the reference evaluators from the API's objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import groupby
from typing import Final

import msgspec

from tandem.base.addresses import IPV4, family
from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.world import World
from tandem.reference.mentioned import policies_of, ports
from tandem.reference.mtls import Outcome, decide_direct, decide_mtls, in_mesh
from tandem.reference.policy import Evaluator, Packet

PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
USUAL: Final = 80
"""Asked of everybody, whatever pods and policies name."""
_SELF: Final = "-"
_SHOWN: Final = 40
_FAMILIES: Final = {4: "IPv4", 6: "IPv6"}


class Word(Enum):
    """What should happen to a packet, and what does."""

    ALLOWED = "allowed"
    DENIED = "denied"
    """Silence."""
    REFUSED = "refused"
    """An answer that says no."""
    UNKNOWN = "unknown"
    """Silence that may have other reasons: of a port that another program serves, or of a refusal that is limited."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """A row or column: a pod (`namespace/name`), `node/NAME`, or `outside`."""

    name: str
    addresses: tuple[str, ...]
    pod: tuple[str, str] | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One packet, and what should happen to it."""

    source: str
    destination: str
    address: str
    protocol: str
    port: int
    expected: Word
    by: tuple[Origin, ...] = ()
    """What denies it."""
    proxied: bool = False
    """The mesh's proxy is on the way: it answers for itself, so that a denial may look like any failure."""


class Cell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question and what was seen; JSON-ready."""

    source: str
    destination: str
    address: str
    protocol: str
    port: int
    expected: Word
    observed: Word
    equal: bool
    detail: str = ""
    tries: int = 1
    by: tuple[Origin, ...] = ()


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was asked."""

    equal: bool
    asked: int
    differences: int
    unknown: int
    left_out: tuple[tuple[str, str], ...]
    """(end, why it was not asked)."""
    ends: tuple[End, ...]
    cells: tuple[Cell, ...]
    sctp_by_hand: bool = False
    """The kernel has no SCTP: its packets were made by hand, and a refusal of one cannot be seen."""
    seconds: float = 0.0


def ends_of(world: World) -> tuple[End, ...]:
    """Pods that have a network of their own and run, by namespace and name."""
    return tuple(
        End(name="/".join(pod.key), addresses=pod.addresses, pod=pod.key)
        for pod in world.sorted(core.Pod)
        if pod.addresses and not pod.finished and not pod.terminating and not pod.spec.host_network
    )


def ports_of(world: World) -> tuple[tuple[str, int], ...]:
    """(protocol, port) worth asking: what pods declare and policies name, and port 80 of each protocol; sorted."""
    found = {(protocol, USUAL) for protocol in PROTOCOLS}
    for pod in world.all(core.Pod).values():
        found |= {(p.protocol, p.container_port) for c in pod.spec.containers for p in c.ports}
    found |= {(protocol, first) for protocol, first, _ in ports(policies_of(world)) if first}
    return tuple(sorted(found, key=lambda p: (PROTOCOLS.index(p[0]), p[1])))


def questions(
    world: World, ends: Sequence[End], asked: Iterable[tuple[str, int]], *, dns_addresses: tuple[str, ...]
) -> tuple[Question, ...]:
    """Every source to every other destination, at each of its addresses of a family that both have, on each port."""
    evaluator = Evaluator(world, dns_addresses=dns_addresses)
    wanted = tuple(asked)
    return tuple(
        _question(world, evaluator, (source, destination), address, at)
        for source in ends
        for destination in ends
        if source.name != destination.name and (source.pod or destination.pod)
        for address in destination.addresses
        if _facing(source, address)
        for at in wanted
    )


def _facing(source: End, address: str) -> str:
    return next((a for a in source.addresses if family(a) == family(address)), "")


def _question(world: World, evaluator: Evaluator, ends: tuple[End, End], address: str, at: tuple[str, int]) -> Question:
    source, destination = ends
    protocol, port = at
    packet = Packet(
        source=_facing(source, address),
        destination=address,
        source_pod=source.pod,
        destination_pod=destination.pod,
        protocol=protocol,
        port=port,
    )
    decision = evaluator.decide(packet)
    expected = Word.ALLOWED if decision.allowed else Word.REFUSED if decision.rejects else Word.DENIED
    by, proxied = decision.by, False
    if protocol == "TCP":
        proxied, refused_by = _mesh(world, ends, port)
        if refused_by is not None and expected is Word.ALLOWED:
            expected, by = Word.DENIED, refused_by
    return Question(
        source=source.name,
        destination=destination.name,
        address=address,
        protocol=protocol,
        port=port,
        expected=expected,
        by=by,
        proxied=proxied,
    )


def _mesh(world: World, ends: tuple[End, End], port: int) -> tuple[bool, tuple[Origin, ...] | None]:
    """(a proxy is on the way, what it refuses plain text by or None)."""
    source, destination = (world.get(core.Pod, *end.pod) if end.pod else None for end in ends)
    here = source is not None and in_mesh(source, world)[0]
    there = destination is not None and in_mesh(destination, world)[0]
    if not there or destination is None:
        return here, None
    tls = decide_direct(world, destination, port) if here else decide_mtls(world, source, destination, port)
    if tls.outcome is not Outcome.REFUSED:
        return True, None
    return True, (tls.rule,) if tls.rule is not None else ()


def cell_of(question: Question, observed: Word, *, detail: str = "", tries: int = 1) -> Cell:
    """What was seen beside what should have been."""
    return Cell(
        source=question.source,
        destination=question.destination,
        address=question.address,
        protocol=question.protocol,
        port=question.port,
        expected=question.expected,
        observed=observed,
        equal=_equal(question, observed),
        detail=detail,
        tries=tries,
        by=question.by,
    )


def _equal(question: Question, observed: Word) -> bool:
    """A refusal where silence is due is a difference: a client must see a timeout."""
    if observed is Word.UNKNOWN or observed is question.expected:
        return True
    return question.proxied and question.expected is not Word.ALLOWED and observed is not Word.ALLOWED


def matrix_of(
    ends: Iterable[End],
    cells: Iterable[Cell],
    *,
    left_out: Mapping[str, str],
    sctp_by_hand: bool = False,
    seconds: float = 0.0,
) -> Matrix:
    """The whole."""
    found = tuple(cells)
    different = sum(not c.equal for c in found)
    return Matrix(
        equal=not different,
        asked=len(found),
        differences=different,
        unknown=sum(c.observed is Word.UNKNOWN for c in found),
        left_out=tuple(sorted(left_out.items())),
        ends=tuple(ends),
        cells=found,
        sctp_by_hand=sctp_by_hand,
        seconds=round(seconds, 2),
    )


def tables(matrix: Matrix) -> Iterator[str]:
    """A table for the ports that look alike: rows are sources, columns destinations; then the differences."""
    both = len({family(c.address) for c in matrix.cells}) > 1
    ordered = sorted(matrix.cells, key=lambda c: (PROTOCOLS.index(c.protocol), c.port, family(c.address)))
    alike: dict[tuple[str, ...], list[str]] = {}
    for (protocol, port, version), group in groupby(ordered, key=lambda c: (c.protocol, c.port, family(c.address))):
        title = f"{protocol} {port}" + (f" {_FAMILIES[version]}" if both else "")
        alike.setdefault(tuple(_table(matrix.ends, {(c.source, c.destination): c for c in group})), []).append(title)
    for lines, titles in alike.items():
        yield ", ".join(titles)
        yield from lines
        yield ""
    different = [cell for cell in matrix.cells if not cell.equal]
    yield from map(_difference, different[:_SHOWN])
    if len(different) > _SHOWN:
        yield f"and {len(different) - _SHOWN} more (-o json has them)"


def mark(cell: Cell) -> str:
    """`.` passes, `X` silence, `R` refused, `?` cannot be known; `!` after it: it should be otherwise."""
    signs = {Word.ALLOWED: ".", Word.DENIED: "X", Word.REFUSED: "R", Word.UNKNOWN: "?"}
    return signs[cell.observed] + ("" if cell.equal else "!")


def _table(ends: Sequence[End], cells: Mapping[tuple[str, str], Cell]) -> Iterator[str]:
    numbers = {end.name: str(i) for i, end in enumerate(ends, 1)}
    rows = [p for p in ends if any((p.name, q.name) in cells for q in ends)]
    columns = [q for q in ends if any((p.name, q.name) in cells for p in ends)]
    labels = {p.name: f"{numbers[p.name]:>{len(str(len(ends)))}} {p.name}" for p in rows}
    head = max(map(len, labels.values())) + 2
    yield (" " * head + "".join(numbers[q.name].ljust(3) for q in columns)).rstrip()
    for end in rows:
        marks = (_sign(end, q, cells) for q in columns)
        yield (labels[end.name].ljust(head) + "".join(m.ljust(3) for m in marks)).rstrip()


def _sign(source: End, destination: End, cells: Mapping[tuple[str, str], Cell]) -> str:
    if source.name == destination.name:
        return _SELF
    cell = cells.get((source.name, destination.name))
    return mark(cell) if cell is not None else " "


def _difference(cell: Cell) -> str:
    where = f"[{cell.address}]" if family(cell.address) != IPV4 else cell.address
    by = f" by {'; '.join(map(str, cell.by))}" if cell.by else ""
    seen = f"{cell.observed.value} ({cell.detail})" if cell.detail else cell.observed.value
    return (
        f"{cell.source} to {cell.destination} ({where}:{cell.port}/{cell.protocol}): should be "
        f"{cell.expected.value}{by}, is {seen}"
    )
