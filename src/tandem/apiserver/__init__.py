"""The embedded, Kubernetes-shaped API server of `tandem up`."""
