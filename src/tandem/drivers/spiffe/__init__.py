"""A client of SPIFFE's Workload API, as the SPIRE agent of each node serves it."""
