"""Kubernetes-shaped objects: frozen, no behaviour beyond lookup. `parse.py` is the only reader of raw dicts."""
