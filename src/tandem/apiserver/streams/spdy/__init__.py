"""SPDY/3.1, as much of it as Kubernetes' clients speak. No library of Python's does any more; see docs/design/0042."""
