"""The values themselves."""

from __future__ import annotations

import pytest

from tandem.state import nft


def test_a_ruleset_sorts_its_parts() -> None:
    chains = (nft.Chain(name="b"), nft.Chain(name="a"))
    assert nft.ruleset(chains=chains) == nft.ruleset(chains=chains[::-1])
    assert hash(nft.ruleset(chains=chains)) == hash(nft.ruleset(chains=chains[::-1]))


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
