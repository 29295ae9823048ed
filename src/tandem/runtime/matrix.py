"""Real packets for `tandem verify matrix`: workers in the places, every question asked, and what came of it.

In: seats (an end and how a program gets there) and the questions. Out: cells. Silence where an answer is due is asked
again within a bound, so that a lost packet does not lie; one that passed has passed, and stays so.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tandem.base.paths import RunDir
from tandem.drivers.reach.crew import HERE, SOURCE, Answer, Crew, Place, Target, crew
from tandem.drivers.reach.worker import tag_of
from tandem.model import core
from tandem.model.world import World
from tandem.runtime.supervisor import read_tasks
from tandem.views.matrix import Cell, End, Matrix, Question, Word, cell_of, matrix_of
from tandem.workloads.record import load

_FAILING: tuple[str, ...] = ("HTTP/1.1 503", "HTTP/1.1 504", "HTTP/1.1 403")
"""What the proxy itself says where it gets no further; 502 means that the server was reached and speaks otherwise."""


_NARROW = 4
_LIMITED = "silence; refusals are rare, the kernel limits them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """An end and the command line that runs a worker there."""

    end: End
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an answer may take, how often a missing one is asked for, and how many are open at a time per end."""

    seconds: float = 1.0
    tries: int = 3
    width: int = 200


def seats_here(run_dir: RunDir, world: World, ends: Iterable[End]) -> tuple[tuple[Seat, ...], dict[str, str]]:
    """Pods by their pinned network namespaces on this machine, and those that have none here, with the reason."""
    found: list[Seat] = []
    missing: dict[str, str] = {}
    for end in ends:
        pod = world.get(core.Pod, *end.pod) if end.pod is not None else None
        record = load(run_dir.node(pod.spec.node_name), pod.metadata.uid) if pod is not None else None
        if record is None or not record.netns or not record.init.alive:
            missing[end.name] = "it does not run on this machine"
        else:
            found.append(Seat(end=end, argv=inside(record.netns)))
    return tuple(found), missing


def seats_of_nodes(run_dir: RunDir, world: World) -> tuple[Seat, ...]:
    """The nodes of this machine, where they have addresses: those of `tandem up`, in the namespaces it gave them."""
    spaces = {task.arguments[1]: task.netns for task in read_tasks(run_dir) if task.role == "agent"}
    return tuple(
        Seat(
            end=End(name=f"node/{node.metadata.name}", addresses=_reachable(node)),
            argv=inside(spaces[node.metadata.name]) if spaces[node.metadata.name] else HERE,
        )
        for node in world.sorted(core.Node)
        if node.metadata.name in spaces and _reachable(node)
    )


def _reachable(node: core.Node) -> tuple[str, ...]:
    given = (a.address for a in node.status.addresses if a.type == "InternalIP")
    return tuple(a for a in given if a not in {"127.0.0.1", "::1"})


def inside(netns: str) -> tuple[str, ...]:
    """A worker in a network namespace of this machine, with this machine's Python."""
    return ("nsenter", f"--net={netns}", "--", *HERE)


def seats_in_cluster(ends: Iterable[End], *, kubectl: Sequence[str]) -> tuple[Seat, ...]:
    """Pods of any cluster, by `kubectl exec`: each must have python3; its servers end with the run."""
    source = SOURCE.read_text(encoding="utf-8")
    return tuple(
        Seat(
            end=end,
            argv=(*kubectl, "exec", "-i", "-n", end.pod[0], end.pod[1], "--", "python3", "-I", "-S", "-c", source),
        )
        for end in ends
        if end.pod is not None
    )


async def observe(
    seats: Sequence[Seat], asked: Sequence[Question], *, patience: Patience, left_out: Mapping[str, str] | None = None
) -> Matrix:
    """Ask everything; raises DriverError where an end cannot be worked in."""
    began = time.monotonic()
    ports = sorted({(q.protocol, q.port) for q in asked})
    async with crew(Place(name=seat.end.name, argv=seat.argv) for seat in seats) as workers:
        await workers.serve({seat.end.name: ports for seat in seats})
        cells = await ask(workers, asked, patience)
        by_hand = workers.raw
    return matrix_of(
        [seat.end for seat in seats],
        cells,
        left_out=left_out or {},
        sctp_by_hand=by_hand,
        seconds=time.monotonic() - began,
    )


async def ask(workers: Crew, asked: Sequence[Question], patience: Patience) -> list[Cell]:
    """The questions, by workers that serve their ports already."""
    cells: dict[int, Cell] = {}
    open_ones = list(range(len(asked)))
    for number in range(1, patience.tries + 1):
        found = await _round(workers, [asked[i] for i in open_ones], _more(patience, number))
        for i, answer in zip(open_ones, found, strict=True):
            observed, detail = _observed(workers, asked[i], answer)
            cells[i] = cell_of(asked[i], observed, detail=detail, tries=number)
        open_ones = [i for i in open_ones if _may_still_come(workers, asked[i], cells[i])]
        if not open_ones:
            break
    return [_settled(question, cells[i]) for i, question in enumerate(asked)]


def _may_still_come(workers: Crew, question: Question, cell: Cell) -> bool:
    """Whether an answer is due and missing; a refusal of SCTP made by hand is never seen."""
    unseen = question.protocol == "SCTP" and question.expected is Word.REFUSED and workers.raw
    return question.expected is not Word.DENIED and not cell.equal and not unseen


def _settled(question: Question, cell: Cell) -> Cell:
    """A refusal without a connection is ICMP, which a kernel sends only so often (icmp(7), icmp_ratelimit)."""
    if question.protocol == "TCP" or (question.expected, cell.observed) != (Word.REFUSED, Word.DENIED):
        return cell
    return cell_of(question, Word.UNKNOWN, detail=_LIMITED, tries=cell.tries)


def _more(patience: Patience, number: int) -> Patience:
    """Each time longer and with fewer at once: what a busy machine or proxy could not answer it can later."""
    doublings = min(number - 1, 3)
    width = max(_NARROW, patience.width >> 2 * doublings)
    return replace(patience, seconds=patience.seconds * 2**doublings, width=width)


async def _round(workers: Crew, asked: Sequence[Question], patience: Patience) -> list[Answer]:
    by_source: dict[str, list[int]] = {}
    for i, question in enumerate(asked):
        by_source.setdefault(question.source, []).append(i)
    answers = await workers.ask(
        {
            source: [Target(protocol=asked[i].protocol, address=asked[i].address, port=asked[i].port) for i in numbers]
            for source, numbers in by_source.items()
        },
        seconds=patience.seconds,
        width=patience.width,
    )
    placed = {i: a for source, numbers in by_source.items() for i, a in zip(numbers, answers[source], strict=True)}
    return [placed[i] for i in range(len(asked))]


def _observed(workers: Crew, question: Question, answer: Answer) -> tuple[Word, str]:
    """What an outcome says; an answer of another server than the one that was asked is no way to it."""
    foreign = (question.protocol, question.port) in workers.taken.get(question.destination, frozenset())
    match answer.outcome:
        case "answered" if foreign or answer.detail in _names(question.destination):
            return Word.ALLOWED, ""
        case "answered":
            return Word.REFUSED, f"answered by {answer.detail}"
        case "silent":
            # A program may hear a datagram and say nothing; that nobody heard it is known of our own servers only.
            return (Word.UNKNOWN if foreign and question.protocol == "UDP" else Word.DENIED), ""
        case "open" | "closed" if foreign:
            failed = question.proxied and (not answer.detail or answer.detail.startswith(_FAILING))
            return (Word.REFUSED if failed else Word.ALLOWED), answer.detail
        case "open" | "closed" if not question.proxied and question.expected is not Word.ALLOWED:
            return Word.ALLOWED, "a connection was made"
        case outcome:
            return Word.REFUSED, answer.detail or outcome


def _names(name: str) -> tuple[str, str]:
    return name, f"tag {tag_of(name)}"
