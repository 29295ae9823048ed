"""Address allocation: a pure pool and the journal behind it."""
