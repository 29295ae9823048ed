"""Headers in which only the proxy speaks, and other spellings of headers that rules look at, are taken away. Pure.

Servers that hand headers on as variables (CGI, WSGI) read `x_user` and `x-user` as one: what a rule judges, or what the
proxy tells of a token, must not come in by the other spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from tandem.compile.envoy.proto import Json, any_of, extension
from tandem.ir.authn import told_headers
from tandem.ir.authz import Attribute, AuthzPolicy
from tandem.ir.fabric import LocalPod

NAME: Final = "spellings"
TYPE: Final = "extensions.filters.http.header_mutation.v3.HeaderMutation"
_OTHER: Final = {"-": "_", "_": "-"}


def disabled() -> Json:
    """The filter of a connection manager, which does nothing of its own."""
    return extension(NAME, TYPE)


def per_route_spellings(pod: LocalPod) -> dict[str, Json]:
    """What is taken away of requests to a pod, before anybody looks at them."""
    told = told_headers(pod.authentication)
    judged = sorted(_judged(pod.authorization).difference(told))
    patterns = [_loose(name) for name in told] + [p for name in judged for p in _others(name)]
    if not patterns:
        return {}
    matcher = {"safe_regex": {"regex": "|".join(patterns)}}
    removals = [{"remove_on_match": {"key_matcher": matcher}}]
    return {NAME: any_of(f"{TYPE}PerRoute", {"mutations": {"request_mutations": removals}})}


def _judged(policies: Iterable[AuthzPolicy]) -> set[str]:
    rules = [rule for policy in policies for rule in policy.rules]
    return {r.name for rule in rules for r in rule.when if r.attribute is Attribute.HEADER}


def _loose(name: str) -> str:
    """The header in every spelling."""
    return "".join("[-_]" if c in _OTHER else re.escape(c) for c in name)


def _others(name: str) -> Iterator[str]:
    """Every spelling but this one: by the first place that differs."""
    for i, c in enumerate(name):
        if c in _OTHER:
            yield f"{re.escape(name[:i])}{re.escape(_OTHER[c])}{_loose(name[i + 1 :])}"
