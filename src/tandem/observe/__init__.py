"""What happened, as facts: kernel drops and Envoy's access logs become the same kind of record, a Flow."""
