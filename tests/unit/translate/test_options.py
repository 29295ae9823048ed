"""The defaults of an installation."""

from __future__ import annotations

from tandem.translate.options import Options


def test_defaults_are_those_that_other_tools_rely_on() -> None:
    options = Options()
    assert (options.trust_domain, options.root_namespace) == ("cluster.local", "istio-system")
