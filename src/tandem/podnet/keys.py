"""Keys of the plugin's configuration: what is known, and what is refused because it would be ignored. Pure.

CNI specification 1.1.0, section 1: a plugin must not act as if a field that it does not support were not there (error
2, with key and value). DEL never looks: what was attached must be taken away whatever the list says now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tandem.podnet.previous import CHAINED, POLICY
from tandem.podnet.request import Code, VerbError
from tandem.podnet.unmanaged import KEY

BY_RUNTIME: Final = frozenset(
    {
        *("cniVersion", "cniVersions", "name", "type", "capabilities", "prevResult", "runtimeConfig", "args"),
        *("disableCheck", "disableGC", "loadOnlyInlinedPlugins"),
    }
)
"""What a runtime puts in, or reads itself."""
OURS: Final = frozenset({"socket", "installed", KEY, CHAINED, POLICY})
RESERVED: Final = "cni.dev/"
"""Prefix of keys that runtimes add."""
REASONS: Final = {
    "ipam": "Tandem gives addresses itself, out of the node's pod prefixes; behind another plugin that one does",
    "ipMasq": "pods leave the cluster under the node's address, always",
    "dns": "name servers, searches and options are asked for by the capability `dns`",
}


def refuse_unknown(config: Mapping[str, Any]) -> None:
    """Raises VerbError 2 for the first key, in order of names, that nobody would act on."""
    for key in sorted(config.keys() - BY_RUNTIME - OURS):
        if not key.startswith(RESERVED):
            reason = REASONS.get(key, f"known are {', '.join(sorted(OURS - {'installed'}))}")
            raise VerbError(Code.UNSUPPORTED, f"{key}: {config[key]!r} is not supported: {reason}")
