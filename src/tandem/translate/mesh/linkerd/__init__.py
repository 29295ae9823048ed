"""Linkerd's policy objects -> what judges the pods that they select, with Problems. Pure (docs/design/0049)."""
