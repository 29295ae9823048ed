"""An interface that another plugin made -> what capture needs in its namespace. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from tandem.base.addresses import family
from tandem.compile.links import LOCAL_MARKS
from tandem.state.foreign import Redirection
from tandem.state.ownership import POD_ROUTE_TABLE


def compile_redirection(ifname: str, addresses: Iterable[str] = ()) -> Redirection:
    """The same marks and table as in the namespaces of our own pods, for the families of these addresses."""
    versions = tuple(sorted(set(map(family, addresses))))
    return Redirection(ifname=ifname, versions=versions, marks=LOCAL_MARKS, table=POD_ROUTE_TABLE)
