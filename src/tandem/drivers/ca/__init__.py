"""Certificates: the authority beside control, and the agent's keys, which never leave their node."""
