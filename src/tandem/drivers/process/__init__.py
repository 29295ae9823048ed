"""Processes that outlive the agent: Envoy, Unbound, BIRD and wireguard-go are started and kept by one piece of code."""
