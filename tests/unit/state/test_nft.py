"""The values themselves."""

from __future__ import annotations

import pytest

from tandem.state import nft


def test_a_ruleset_sorts_its_parts() -> None:
    chains = (nft.Chain(name="b"), nft.Chain(name="a"))
    assert nft.ruleset(chains=chains) == nft.ruleset(chains=chains[::-1])
    assert hash(nft.ruleset(chains=chains)) == hash(nft.ruleset(chains=chains[::-1]))


@pytest.mark.parametrize("few", [2, 30])
def test_parts_are_merged_in_the_order_of_their_names(few: int) -> None:
    many = tuple(nft.Set(name=f"b{n:03}", type=("mark",)) for n in range(40))
    others = tuple(nft.Set(name=f"{'abc'[n % 3]}{n:03}x", type=("mark",)) for n in reversed(range(few)))
    found = nft.merged(many, others[:1], others[1:])
    assert [part.name for part in found] == sorted(part.name for part in (*many, *others))


def test_chains_are_found_by_name() -> None:
    ruleset = nft.ruleset(chains=(nft.Chain(name="a"),))
    assert ruleset.chain("a").rules == ()
    with pytest.raises(KeyError):
        ruleset.chain("b")


def test_only_our_table_is_ours() -> None:
    assert nft.owns("inet", "tandem")
    assert nft.owns("bridge", "tandem")
    assert not nft.owns("bridge", "tandem-policy")
    assert not nft.owns("ip", "tandem")
    assert not nft.owns("inet", "kube-proxy")
