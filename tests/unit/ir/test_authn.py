"""What is fetched has a name, and the proxy's own headers are known."""

from __future__ import annotations

from tandem.base.problems import Origin
from tandem.ir.authn import FetchedKeys, GivenKeys, JwtRule, told_headers

AT = Origin(kind="RequestAuthentication", name="ra")


def test_an_issuer_and_a_key_set_at_one_url_are_two_sources() -> None:
    assert FetchedKeys(url="http://a").source != FetchedKeys(url="http://a", discover=True).source


def test_headers_of_the_proxy_are_told_once_and_in_lower_case() -> None:
    rule = JwtRule(
        issuer="i", keys=GivenKeys(""), payload_header="X-P", claim_headers=(("x-u", "sub"), ("X-U", "s")), origin=AT
    )
    assert told_headers((rule, rule)) == ("x-p", "x-u")
