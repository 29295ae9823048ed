"""Chains of iptables that other programs share with us."""
