"""Front ends for Istio's objects."""
