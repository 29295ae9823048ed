"""Slow, obvious evaluators of the model, written from the API documents; share no code with what they judge."""
