"""What capture needs behind another plugin."""

from __future__ import annotations

from tandem.compile.foreign import compile_redirection
from tandem.compile.links import LOCAL_MARKS
from tandem.state.ownership import POD_ROUTE_TABLE


def test_marks_and_table_are_those_of_our_own_pods() -> None:
    wanted = compile_redirection("net1", ("fd00::2", "10.88.0.2", "10.89.0.2"))
    assert (wanted.ifname, wanted.marks, wanted.table) == ("net1", LOCAL_MARKS, POD_ROUTE_TABLE)
    assert wanted.versions == (4, 6)
