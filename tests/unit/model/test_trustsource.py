"""TrustSource as it is read."""

from __future__ import annotations

from tandem.model.parse import parse
from tandem.model.trustsource import RootsRef, SpireSource, TrustSource


def test_it_is_read_as_written() -> None:
    raw = {"apiVersion": "tandem.io/v1", "kind": "TrustSource", "metadata": {"name": "partner"}}
    found = parse({**raw, "spec": {"trustDomains": ["b", "a"], "spire": {"socket": "/run/spire/agent.sock"}}})
    assert isinstance(found, TrustSource)
    assert found.spec.trust_domains == ("b", "a")
    assert found.spec.spire == SpireSource(socket="/run/spire/agent.sock")


def test_roots_may_be_named_in_its_place() -> None:
    raw = {"apiVersion": "tandem.io/v1", "kind": "TrustSource", "metadata": {"name": "partner"}}
    found = parse({**raw, "spec": {"trustDomains": ["a"], "roots": {"namespace": "n", "name": "m"}}})
    assert isinstance(found, TrustSource)
    assert (found.spec.spire, found.spec.roots) == (None, RootsRef(namespace="n", name="m"))
