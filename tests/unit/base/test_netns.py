"""Work inside another network namespace."""

from __future__ import annotations

from pathlib import Path

import pytest

from netns.podlab import space
from tandem.base.netns import in_netns


def here() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


@pytest.mark.root
def test_the_work_runs_in_there_and_the_caller_stays() -> None:
    before = here()
    with space() as name:
        assert in_netns(f"/run/netns/{name}", here) != before
    assert here() == before


def test_what_the_work_raises_reaches_the_caller() -> None:
    def fail() -> None:
        raise ValueError("inside")

    with pytest.raises((ValueError, PermissionError)):
        in_netns("/proc/self/ns/net", fail)


def test_a_missing_namespace_is_an_os_error_with_its_path() -> None:
    with pytest.raises(FileNotFoundError, match="tdbase-none"):
        in_netns("/run/netns/tdbase-none", here)
