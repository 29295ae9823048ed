"""What is taken of a request, and what of that has a bucket."""

from __future__ import annotations

from limitbuild import by, limit, limited
from tandem.compile.envoy.descriptors import actions_of, entries_of, key_of
from tandem.ir.limits import Key
from tandem.ir.match import Exact, RouteMatch


def test_each_thing_that_is_counted_by_has_a_name_of_its_own() -> None:
    found = [key_of(b) for b in (by(Key.NAMESPACE), by(Key.HEADER, "x-user"), by(Key.CLAIM, claim="realm.roles"))]
    assert found == ["namespace", "header.x-user", "claim.realm.roles"]


def test_actions_and_entries_are_in_the_same_order() -> None:
    keys = (by(Key.PATH), by(Key.ADDRESS), by(Key.CLAIM, claim="sub"), by(Key.METHOD))
    one = limit(3, *keys, matches=(RouteMatch(method=Exact("GET")),), index=1)
    policy = limited(limit(9), one, ports=(80,))
    names = []
    for action in actions_of(policy, one, routed=True):
        (form,) = action.values()
        names.append(form.get("descriptor_key") or form["typed_config"]["descriptor_key"])
    assert names == [entry["key"] for entry in entries_of(policy, one)]
    assert names == ["policy", "limit", "when", "path", "address", "claim.sub", "method"]
    assert [e["value"] for e in entries_of(policy, one) if "value" in e] == ["shop/few/0", "1", "true"]


def test_what_a_limit_is_not_about_has_no_descriptor() -> None:
    """An error in the middle: Envoy then forgets the whole."""
    one = limit(3, matches=(RouteMatch(method=Exact("GET")),))
    (_, _, when) = actions_of(limited(one), one, routed=False)
    text = when["extension"]["typed_config"]["text"]
    assert text == '(((request.method == "GET"))) ? "true" : request.headers["no such header"]'
