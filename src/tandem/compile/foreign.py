"""An interface that another plugin made -> what capture needs in its namespace. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from tandem.base.addresses import families
from tandem.state.foreign import Redirection


def compile_redirection(ifname: str, addresses: Iterable[str] = ()) -> Redirection:
    """For the families of these addresses."""
    return Redirection(ifname=ifname, versions=families(addresses))
