"""Ruleset -> kernel: one table, replaced once at the start and changed element by element afterwards."""
