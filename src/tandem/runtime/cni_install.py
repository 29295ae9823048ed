"""Put the CNI executable and its network configuration where a runtime looks for them (CNI specification, section 1).

In: a node's directory. Out: `cni/bin/tandem-cni` and `cni/net.d/10-tandem.conflist`, each written by rename.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from tandem_cni.build import build

from tandem.base.files import PUBLIC, replace_file
from tandem.base.paths import NodeDir

NETWORK: Final = "tandem"
VERSION: Final = "1.1.0"
CAPABILITIES: Final = dict.fromkeys(("portMappings", "bandwidth", "ips", "mac", "dns", "ipRanges", "aliases"), True)
"""What a runtime may ask of the plugin in `runtimeConfig`."""
BEHIND_OTHERS: Final = {"aliases": True}
"""The same where another plugin makes the link."""


def install_cni(node: NodeDir) -> None:
    """Write executable and configuration. The interpreter is the real one behind any virtual environment."""
    build(node.cni_bin / "tandem-cni", str(Path(sys.executable).resolve()))
    conflist = {
        "cniVersion": VERSION,
        "name": NETWORK,
        "plugins": [{"type": "tandem-cni", "socket": str(node.cni_socket), "capabilities": CAPABILITIES}],
    }
    node.cni_conf.mkdir(parents=True, exist_ok=True)
    text = json.dumps(conflist, indent=2) + "\n"
    replace_file(node.cni_conf / "10-tandem.conflist", text.encode(), mode=PUBLIC)
