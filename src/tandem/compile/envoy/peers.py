"""What clients meet where identities of several trust domains count, before anything else reads what they send.

Envoy's SPIFFE validator holds a certificate against the roots of the trust domain of its first name (URI SAN), and
its rules (RBAC) look at every name: whoever signs for one domain could name an identity of another one beside. A
certificate has one name (X509-SVID, section 2), so one with two is refused.
"""

from __future__ import annotations

from typing import Final

from tandem.compile.envoy.proto import Json, any_of, extension
from tandem.ir.trust import Domains

_NAMES: Final[Json] = {"name": "names", "typed_config": any_of("extensions.matching.common_inputs.ssl.v3.UriSanInput")}
"""All names of the client's certificate, with commas between them, which no SPIFFE id has."""


def _then(name: str, action: str) -> Json:
    verdict = any_of("config.rbac.v3.Action", {"name": name, "action": action})
    return {"action": {"name": name, "typed_config": verdict}}


def before_peers(trust: Domains | None) -> list[Json]:
    """The filter, where it is needed; None: clients prove no identity of the mesh."""
    return [_ONE_NAME] if trust is not None and trust.sourced else []


_ONE_NAME: Final[Json] = extension(
    "one-name",
    "extensions.filters.network.rbac.v3.RBAC",
    {
        "stat_prefix": "one_name",
        "matcher": {
            "matcher_list": {
                "matchers": [
                    {
                        "predicate": {
                            "single_predicate": {
                                "input": _NAMES,
                                "value_match": {"safe_regex": {"google_re2": {}, "regex": "(?s).*,.*"}},
                            }
                        },
                        "on_match": _then("several-names", "DENY"),
                    }
                ]
            },
            "on_no_match": _then("one-name", "ALLOW"),
        },
    },
)
