"""tandem.io Network as it is read."""

from __future__ import annotations

from tandem.model.network import Network
from tandem.model.parse import parse


def test_an_empty_spec_is_the_default_network() -> None:
    parsed = parse({"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}})
    assert isinstance(parsed, Network)
    assert (parsed.spec.fabric, parsed.spec.mtu, parsed.spec.vxlan.port) == ("routed", 0, 4789)
