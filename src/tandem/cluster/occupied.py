"""What pods have of the nodes that they are on: how many there are, and which ports of the node are theirs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final, Self

from tandem.model import core

Claim = tuple[str, int, str]
"""Protocol, port, address of the node that it is open at."""

_EVERY: Final = ("0.0.0.0", "::")  # noqa: S104 (what a pod asks for; nothing is bound here)


class Occupied:
    """Pods that have finished have nothing; those that terminate have what they had, as Kubernetes counts."""

    def __init__(self, pods: Iterable[core.Pod] = ()) -> None:
        self.load: Counter[str] = Counter()
        self._ports: defaultdict[str, Counter[tuple[Claim, str]]] = defaultdict(Counter)
        """By node; each port with the pod that has it."""
        for pod in pods:
            self.add(pod)

    def copy(self) -> Self:
        """An equal one, whose changes are its own."""
        other = type(self)()
        other.load = self.load.copy()
        other._ports.update((node, ports.copy()) for node, ports in self._ports.items())  # noqa: SLF001
        return other

    def add(self, pod: core.Pod, node: str = "") -> None:
        """The pod is on its node, or is about to be on this one."""
        self._count(pod, node or pod.spec.node_name, 1)

    def remove(self, pod: core.Pod) -> None:
        """What `add` was told is no longer so."""
        self._count(pod, pod.spec.node_name, -1)

    def holder(self, pod: core.Pod, node: str) -> str:
        """Which pod has a port of this node that the pod wants, and which port that is; empty if all are free."""
        taken = self._ports.get(node) or ()
        return min((_said(*other) for mine in claims(pod) for other in taken if _meet(mine, other[0])), default="")

    def _count(self, pod: core.Pod, node: str, by: int) -> None:
        if pod.finished:
            return
        self.load[node] += by
        if not (node and (wanted := claims(pod))):
            return
        ports = self._ports[node]
        for claim in wanted:
            mine = (claim, "/".join(pod.key))
            ports[mine] += by
            if not ports[mine]:
                del ports[mine]


def claims(pod: core.Pod) -> tuple[Claim, ...]:
    """The ports of its node that a pod wants; those of a pod on the node's network are host ports by default."""
    return tuple(
        (port.protocol, port.host_port, port.host_ip)
        for container in pod.spec.containers
        for port in container.ports
        if port.host_port
    )


def _said(claim: Claim, pod: str) -> str:
    protocol, port, address = claim
    return f"{pod} has {port}/{protocol}" + (f" at {address}" if address else "")


def _meet(one: Claim, other: Claim) -> bool:
    """Whether both want one port at one address: none means every address, 0.0.0.0 and :: every one of a family."""
    mine, theirs = one[2], other[2]
    if one[:2] != other[:2]:
        return False
    if mine in _EVERY or theirs in _EVERY:
        return not (mine and theirs) or (":" in mine) == (":" in theirs)
    return mine == theirs or not (mine and theirs)
