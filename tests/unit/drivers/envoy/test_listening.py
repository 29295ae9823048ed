"""Which ports listen in a namespace."""

from __future__ import annotations

import socket

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.envoy.listening import listening


@pytest.mark.root
def test_a_listening_port_is_found_and_a_closed_one_is_not() -> None:
    for version, family, host in ((4, socket.AF_INET, "127.0.0.1"), (6, socket.AF_INET6, "::1")):
        with socket.create_server((host, 0), family=family) as server:
            port = server.getsockname()[1]
            assert (version, port) in listening("/proc/self/ns/net")
        assert (version, port) not in listening("/proc/self/ns/net")


@pytest.mark.root
def test_a_missing_namespace_is_a_driver_error_that_names_it() -> None:
    with pytest.raises(DriverError, match="/run/netns/tandem-none"):
        listening("/run/netns/tandem-none")
