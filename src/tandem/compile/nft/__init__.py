"""NodeView -> nftables values: `node.py` for the node's namespace, `capture.py` for the inside of a meshed pod."""
