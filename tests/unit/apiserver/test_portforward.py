"""Which ports a request names."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from tandem.apiserver.errors import Refusal
from tandem.apiserver.portforward import PORTS, ports


def test_ports_come_one_by_one_or_with_commas() -> None:
    assert ports(QueryParams("ports=80,8080&ports=81")) == (80, 8080, 81)


@pytest.mark.parametrize("query", ["", "ports=0", "ports=65536", "ports=http", "ports=80,", f"ports={'1,' * PORTS}1"])
def test_what_is_no_list_of_ports_is_refused(query: str) -> None:
    with pytest.raises(Refusal) as refused:
        ports(QueryParams(query))
    assert refused.value.code == 400
