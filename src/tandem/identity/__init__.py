"""SPIFFE ids, who may be issued what, and when to rotate. Pure."""
