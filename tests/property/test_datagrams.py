"""Shares of random weights and endpoints: each backend has the part that its weight says, on every node."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from gatewaybuild import datagrams
from meshbuild import view
from tandem.compile.datagrams import MOST, shares_of
from tandem.ir.fabric import AppProtocol, Endpoint, Endpoints, Service, ServicePort
from tandem.ir.mesh import Backend

BACKENDS = st.lists(st.tuples(st.integers(1, 1_000_000), st.integers(0, 5)), max_size=4)
"""Weight and number of endpoints of each."""


@given(BACKENDS)
def test_a_backend_has_its_part_which_its_endpoints_share_and_what_is_left_is_lost(
    found: list[tuple[int, int]],
) -> None:
    parts: list[Service | Endpoints] = []
    for i, (_, count) in enumerate(found):
        port = ServicePort(name="udp", port=53, protocol="UDP", app=AppProtocol.TCP)
        parts.append(Service(namespace="shop", name=f"s{i}", cluster_ips=("10.96.0.9",), ports=(port,)))
        ends = tuple(Endpoint(address=f"10.244.{i}.{n}", ports=(("udp", 5353),)) for n in range(count))
        parts.append(Endpoints(namespace="shop", service=f"s{i}", endpoints=ends))
    to = [Backend(namespace="shop", service=f"s{i}", port=53, weight=weight) for i, (weight, _) in enumerate(found)]
    counts, whole = shares_of(view(*parts), datagrams("dns", *to).route, 4)
    assert 0 < whole <= MOST + 25
    total = sum(weight for weight, _ in found)
    for i, (weight, ends_of) in enumerate(found):
        mine = [count for (address, _), count in counts.items() if address.startswith(f"10.244.{i}.")]
        assert len(mine) == ends_of
        assert len(set(mine)) <= 1
        if mine:
            # Rounding moves each endpoint by at most one share, and the whole by as much for all of them.
            assert abs(Fraction(sum(mine), whole) - Fraction(weight, total)) <= Fraction(25, MOST)
    if total and whole < MOST:
        lost = sum(weight for weight, ends_of in found if not ends_of)
        assert abs(Fraction(whole - sum(counts.values()), whole) - Fraction(lost, total)) <= Fraction(25, MOST)
