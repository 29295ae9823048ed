"""The node's DNS server: Unbound, with the records of the cluster as its local data."""
