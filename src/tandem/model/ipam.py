"""tandem.io/v1: pools of pod addresses, reservations in them, and the blocks that nodes hold."""

from __future__ import annotations

import ipaddress
from enum import Enum
from typing import Final

import msgspec

from tandem.base.addresses import IPV4, IPV6, family
from tandem.base.block import span
from tandem.model import core
from tandem.model.meta import Model, Object
from tandem.model.selectors import LabelSelector, matches

BLOCK_SIZES: Final = {IPV4: 26, IPV6: 122}
"""Length of a block where the pool does not say."""


ADDRESSES: Final = "tandem.io/ip-addresses"
"""Annotation of a Pod: the addresses that it wants, at most one per family, separated by commas."""


def addresses_of(pod: core.Pod) -> tuple[str, ...]:
    """The addresses that a pod asks for, in its own words."""
    return tuple(t for part in pod.metadata.annotations.get(ADDRESSES, "").split(",") if (t := part.strip()))


def valid_addresses_of(pod: core.Pod) -> tuple[str, ...]:
    """Those of them that are addresses; the node refuses a pod with another."""
    return tuple(address for text in addresses_of(pod) if (address := _canonical(text)))


def asks(pod: core.Pod) -> bool:
    """Whether it asks for addresses, and may still need them."""
    return bool(addresses_of(pod)) and not pod.finished


def _canonical(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


class IPPoolSpec(Model, frozen=True, kw_only=True):
    """One prefix out of which the nodes that the selector chooses get blocks of one length."""

    cidr: str = ""
    block_size: int = 0
    node_selector: LabelSelector = LabelSelector()
    disabled: bool = False
    """Nothing new is given; what is in use stays."""


class IPPool(Object, frozen=True, kw_only=True):
    """A pool of addresses. A cluster with pools of both families gives each pod an address of either."""

    spec: IPPoolSpec = IPPoolSpec()

    @property
    def version(self) -> int:
        """4 or 6."""
        return family(self.spec.cidr)

    @property
    def block_size(self) -> int:
        """The length of its blocks' prefixes."""
        return self.spec.block_size or max(BLOCK_SIZES[self.version], int(self.spec.cidr.rpartition("/")[2]))

    def serves(self, labels: dict[str, str]) -> bool:
        """True if a node with these labels gets blocks and addresses of it."""
        return not self.spec.disabled and matches(self.spec.node_selector, labels)

    def holds(self, prefix: str) -> bool:
        """True if the prefix lies in it."""
        version, low, high = span(self.spec.cidr)
        of, first, last = span(prefix)
        return of == version and low <= first and last <= high


class IPReservationSpec(Model, frozen=True, kw_only=True):
    """Prefixes."""

    reserved_cidrs: tuple[str, ...] = msgspec.field(name="reservedCIDRs", default=())


class IPReservation(Object, frozen=True, kw_only=True):
    """Addresses that no pod gets unless it asks for one of them."""

    spec: IPReservationSpec = IPReservationSpec()


class LoanState(Enum):
    """ASKED: its owner has not agreed yet. LENT: the borrower may give it. RETURNING: it may not any more."""

    ASKED = "Asked"
    LENT = "Lent"
    RETURNING = "Returning"


class Loan(Model, frozen=True, kw_only=True):
    """One address of a block that another node than the block's may give."""

    address: str
    node: str
    state: LoanState = LoanState.ASKED
    id: str = ""
    """Made anew for each state: an answer of a node that names it is about this state and no earlier one."""


class IPAMBlockSpec(Model, frozen=True, kw_only=True):
    """Written by control alone."""

    cidr: str = ""
    pool: str = ""
    """Empty: it lies in no pool; the node had it before."""
    node: str = ""
    loans: tuple[Loan, ...] = ()
    returning: str = ""
    """An id as of a loan: the node gives nothing new out of the block, and says when nothing of it is in use."""


class IPAMBlock(Object, frozen=True, kw_only=True):
    """A part of a pool that one node gives addresses of."""

    spec: IPAMBlockSpec = IPAMBlockSpec()

    @property
    def version(self) -> int:
        """4 or 6."""
        return family(self.spec.cidr)
