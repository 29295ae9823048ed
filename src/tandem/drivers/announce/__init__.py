"""Addresses that a node answers for on its links (load balancers), and telling the neighbours so."""
