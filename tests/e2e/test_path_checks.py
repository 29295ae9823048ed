"""A node on which the machine checks reverse paths for all links, as Ubuntu does, and whose pods share a bridge."""

from __future__ import annotations

import pytest

from e2e.lab import lab
from e2e.objects import idle, namespace, pod, service, web

pytestmark = pytest.mark.root
SETTINGS = ("all", "default", "up0/7")


def test_pods_of_a_bridge_are_reached_other_links_keep_the_check_and_down_sets_it_back() -> None:
    with lab() as world:
        world.add_machine("outside", "up0.7", at="198.51.100.9/24", ours="198.51.100.1/24")
        world.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=2", "net.ipv4.conf.default.rp_filter=1", status=0)

        def checks() -> list[str]:
            return world.run("sysctl", "-n", *(f"net.ipv4.conf.{n}.rp_filter" for n in SETTINGS), status=0).out.split()

        before, had = world.picture(), checks()
        world.tandem("up", "--detach", status=0)
        bridge = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}}
        world.apply({**bridge, "spec": {"fabric": "bridge"}})
        world.apply(*namespace("app"), pod("app", "caller", idle()), pod("app", "web", web()), service("app", "web"))
        assert world.curl("app", "caller", "http://web/").out.endswith("200")
        assert checks() == ["0", "2", "2"]
        world.tandem("down", status=0)
        assert world.left_since(before) == []
        assert checks() == had == ["2", "1", "0"]
