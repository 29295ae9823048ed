"""Canaries: what nodes have counted -> a judgement -> the next status. Pure; `runtime/canaries.py` does the rest."""
