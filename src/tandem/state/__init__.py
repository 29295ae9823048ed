"""Compiled data-plane state as structured values: what drivers compare and apply. Text is made last."""
