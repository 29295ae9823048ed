"""The table that stands in while the node's own is not as it should be: nothing begins to or from a pod. Pure.

It knows no pod and no policy, so that it is there in a moment; what is established goes on, and so do the node's own
connections to its pods (probes). It goes once the node's table is whole again.
"""

from __future__ import annotations

from typing import Final

from tandem.compile.nft.dispatch import POD_LINKS
from tandem.state import nft
from tandem.state.nft import Field
from tandem.state.ownership import SHUT_TABLE

_BEFORE_POLICY: Final = -1
_REPLIES: Final = nft.Rule(
    match=(nft.OneOf(Field.CT_STATE, ("established", "related")),), then=(nft.Accept(),), comment="replies"
)


def compile_shut() -> nft.Ruleset:
    """The table."""
    return nft.ruleset(
        table=SHUT_TABLE,
        chains=(
            _chain("shut-forward", "forward", Field.IIFNAME, Field.OIFNAME),
            _chain("shut-input", "input", Field.IIFNAME),
        ),
    )


def _chain(name: str, hook: str, *links: Field) -> nft.Chain:
    ends = tuple(
        nft.Rule(match=(nft.Is(link, POD_LINKS),), then=(nft.Counter(), nft.Drop()), comment="until policy is in force")
        for link in links
    )
    return nft.Chain(
        name=name, rules=(_REPLIES, *ends), base=nft.Hook(type="filter", hook=hook, priority=_BEFORE_POLICY)
    )
