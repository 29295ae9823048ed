"""Front ends for Consul's objects."""
