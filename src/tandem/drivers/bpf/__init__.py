"""The fast path of established TCP connections between pods of one node: an eBPF program on their links."""
