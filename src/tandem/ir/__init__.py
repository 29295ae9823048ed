"""Our own vocabulary between the API objects and the data plane; imports `base` only.

These values are also what control sends to each node's agent, one msgspec-encoded value per delta-ADS resource
(`ir/wire.py` lists the types): the control plane ends at the IR, compilation happens on the node that enforces it.
"""
